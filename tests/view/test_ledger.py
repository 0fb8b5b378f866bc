"""Ledger, ways, bounds and headline numbers of a run."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.quick_flags import quick_backend
from helpers.rain_block import rain_case

from ekm3d import Case, Simulation
from ekm3d.constants import FARADAY
from ekm3d.view.bounds import Bounds, bounds
from ekm3d.view.headline import Headline
from ekm3d.view.ledger import ledger, oxides, time_of_share, ways, without_rounding
from ekm3d.view.numbers import UNKNOWN
from ekm3d.view.prices import Prices
from ekm3d.view.run import Run


@pytest.fixture
def run(small_run):
    return Run.of(small_run)


def test_every_component_is_accounted_for(run):
    """All that was there and came in is in the ore, in tanks, on plates, in leachate, or lost.

    The three parts of the ore come from the snapshot in float32 (6e-8), the rest from the series,
    which has ten digits.
    """
    entries = ledger(run)
    assert [e.component.label for e in entries][:3] == ["NH4", "SO4", "LREE"]
    for e in entries:
        assert e.error is None or e.error < 1e-8
        assert e.dissolved + e.on_clay + e.solid == pytest.approx(e.ore, rel=1e-6)
    assert {e.component.label for e in entries if e.error is None} <= {"Al", "HCO3"}


def test_rounding_stands_as_nothing(run):
    """8e-17 of 40 mol in a tank, and 1e-16 mol altogether of a component beside 1e4 of another."""
    first, *_ = ledger(run)
    some = replace(first, start=1e4, tanks=8e-17, solid=1e-7, plate=None)
    nothing = replace(first, **{name: 1e-16 for name in ("start", "ore", "dissolved", "on_clay")},
                      brought=0.0, solid=0.0, tanks=0.0, plate=0.0, leachate=0.0, lost=0.0)
    trace = replace(nothing, start=1e-9, ore=1e-9)
    told, gone, kept = without_rounding((some, nothing, trace))
    assert told == replace(some, tanks=0.0)
    assert gone.start == gone.ore == gone.dissolved == 0.0
    assert kept.start == kept.ore == 1e-9 and kept.dissolved == 1e-16


def test_a_loss_is_no_recovery(run, monkeypatch):
    """With a drain in the place of the collector the same moles are lost."""
    kinds = {way: "drain" if kind == "collector" else kind
             for way, kind in run.well_kinds().items()}
    kept = next(e for e in ledger(run) if e.component.label == "LREE")
    monkeypatch.setattr(run, "well_kinds", lambda: kinds)
    lost = next(e for e in ledger(run) if e.component.label == "LREE")
    assert kept.lost == 0.0 and kept.leachate > 0.0
    assert lost.lost == pytest.approx(kept.leachate, rel=1e-6)


def test_ways_carry_what_the_series_says(run):
    feed, leachate = ways(run)
    assert (feed.name, feed.direction) == ("feed", "in")
    assert feed.water == pytest.approx(4e-7 * 6 * 3600, rel=1e-6)
    assert leachate.oxides == pytest.approx(oxides(run, ("leachate",))[-1], rel=1e-6)


def test_boundaries_have_their_own_words(tmp_path):
    """Rain is no injection, and what drains through the bottom no collector; the books keep both.
    """
    case = Case.read(rain_case(tmp_path), (
        "boundary.1={name='below', kind='drainage', face='z-', collects=true}",
        "schedule.stage.0.duration=1 min", "schedule.stage.1.duration=1 min"))
    run = Run.of(Simulation(case, quick_backend()).run(tmp_path / "out", quiet=True).directory)
    assert [(way.name, way.kind) for way in ways(run) if way.direction != "runoff"] == [
        ("leachate", "collector"), ("rain", "rain"), ("rain", "rain"),
        ("below", "drainage, collected"), ("sun", "evaporation")]
    assert run.well_kinds()["boundary_below"] == "collector"


def test_charge_passed_is_in_equivalents(run):
    """And the REE of the run are within the bound, as no process escapes it."""
    found = bounds(run)
    assert found.charge[-1] == pytest.approx(run.summary["charge_C"] / FARADAY, rel=1e-9)
    assert found.moved[-1] > 0.0 and not found.exceeded
    assert found.most_removal == pytest.approx(
        (found.charge[-1] + found.anions[-1]) / found.held, rel=1e-12)


def test_more_than_the_bound_is_told():
    """1 eq of charge, no anion, and 1.1 eq of REE gone: impossible."""
    t = np.array([0.0, 1.0])
    found = Bounds(t, charge=t, anions=0 * t, moved=0.9 * t, held=2.0)
    assert not found.exceeded and found.most_removal == 0.5
    assert replace(found, moved=1.1 * t).exceeded


def test_time_of_a_share_lies_between_rows():
    """0, 2, 4 at 0, 10, 20 h: half at 10 h, 3/4 at 15 h; nothing gained: no time."""
    hours, amount = np.array([0.0, 10.0, 20.0]), np.array([0.0, 2.0, 4.0])
    assert time_of_share(hours, amount, 0.5) == 10.0
    assert time_of_share(hours, amount, 0.75) == 15.0
    assert time_of_share(hours, 0 * amount, 0.5) is None


def test_nothing_is_told_per_tonne_of_rounding(run):
    """1e-12 of the rare earths is rounding: no energy, salt or money per tonne of it."""
    entries = tuple(replace(e, leachate=1e-12 * (e.available or 0.0), plate=0.0)
                    for e in ledger(run))
    h = Headline(run, entries, Prices("USD", 0.1, 100.0, None, {"LREE": 5.0}))
    assert h.gained > 0.0
    assert all(line.value is None for line in h.per_tonne())


def test_headline_numbers_follow_from_the_summary(run):
    """kg of REO by the moles of LREE and HREE; energy per tonne of them."""
    h = Headline(run, ledger(run))
    moles = {e.component.label: e.leachate + e.plate for e in h.ree}
    masses = {c.label: c.oxide_mass for c in run.group("REE")}
    gained = sum(moles[label] * masses[label] for label in moles)
    assert h.gained == pytest.approx(gained)
    lines = {line.name: line for line in h.per_tonne()}
    assert lines["electricity"].value == pytest.approx(
        1e3 * run.summary["energy_kWh"] / gained, rel=1e-6)
    added = run.summary["nh4_added_mol"]
    assert lines["ammonium sulfate"].value == pytest.approx(added * 66.07e-3 / gained, rel=1e-6)


def test_money_is_the_sum_of_its_parts_and_unknown_without_a_price(run):
    h = Headline(run, ledger(run), Prices("USD", 0.1, 100.0, None, {"LREE": 5.0}))
    lines = {line.name: line for line in h.per_tonne()}
    cost = lines["cost of electricity, ammonium salt"]
    assert cost.value == pytest.approx(0.1 * lines["electricity"].value
                                       + 100.0 * lines["ammonium sulfate"].value)
    assert "USD" in cost.text
    assert lines["value of the oxides"].text == UNKNOWN         # HREE has no price
    assert not [line for line in Headline(run, ledger(run)).per_tonne() if "cost" in line.name]
