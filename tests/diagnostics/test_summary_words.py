"""Words and units of the numbers in a summary: none is left out, none is shown in another unit."""

import re

import pytest

from ekm3d.diagnostics.summary_words import GROUPS, HEAD, OTHER, WORDS, entry, number, table

# Every key of a run with one well, one open side, two stages and a component La.
KEYS = ("energy_kWh", "energy_kWh_per_m3", "charge_C", "current_start_A", "current_end_A",
        "current_stage1_start_A", "current_stage12_end_A", "leachate_L", "water_fed_L",
        "REE_initial_mg_per_kg", "REE_leachate_mg_per_kg", "REE_plate_mg_per_kg",
        "REE_hydroxide_in_ore_mg_per_kg", "recovery_REE", "recovery_La", "water_lost_L",
        "well_in it_in_water_L", "side_left_out_water_L", "well_a_out_REE_mg_per_kg",
        "well_a_in_NH4_mol", "boundary_rain_runoff_water_L", "boundary_rain_runoff_NH4_mol",
        "boundary_rain_runoff_REE_mg_per_kg",
        "removal_REE_mean", "removal_REE_min", "removal_REE_max",
        "removal_points_above_90_percent", "impurity_mg_per_kg", "impurity_plate_mg_per_kg",
        "purity_REE", "purity_REE_leachate", "purity_REE_plate", "energy_kWh_per_kg_REE",
        "charge_over_REE", "nh4_added_mol", "nh4_out_mol", "residual_N_mg_per_kg",
        "exchangeable_N_mg_per_kg", "pH_min", "pH_max", "mass_balance_max", "charge_balance_max",
        "faraday_error", "water_balance_max", "ionic_strength_max_mol_per_l", "audit_warnings",
        "energy_error_max", "repeated_steps", "failed_writes", "block_model_difference",
        "dosed_SO4_mol", "gas_CO3_mol")


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_words_of_its_own_and_the_unit_of_its_name(key):
    """A key ends with its unit; shares are shown in percent and coulombs in thousands."""
    found = entry(key)
    assert found.group in GROUPS[:-1] and found.words.strip() and "\\" not in found.words
    named = re.search(r"_(kWh_per_kg|kWh_per_m3|kWh|mg_per_kg|mol_per_l|mol|A|L|C)(_REE)?$", key)
    unit = named[1].replace("_per_", "/").replace("kC", "C") if named else ""
    shown = {"kC": "C", "l": "L"}.get(found.unit, found.unit)
    assert shown == unit or (not unit and found.unit in ("", "%", "eq/eq"))
    assert found.factor == {"%": 100.0, "kC": 1e-3}.get(found.unit, 1.0)


def test_no_two_keys_share_their_words():
    """In one group a line could not be told from another."""
    words = [entry(key)[:2] for key in KEYS]
    assert len(set(words)) == len(words)


def test_all_words_are_used():
    assert {p for p in WORDS if not any(re.fullmatch(p, key) for key in KEYS)} == set()


@pytest.mark.parametrize("value, factor, text", [
    (None, 100.0, "-"), (0.0903126, 100.0, "9.031"), (-0.01129, 100.0, "-1.129"), (0.0, 1.0, "0"),
    (1196063.1, 1e-3, "1196"), (4.68e-16, 1.0, "4.7e-16"), (2.5e6, 1.0, "2,500,000"), (0, 1.0, "0"),
    (-453912.3, 1.0, "-453,900"), (99999.6, 1.0, "100,000"),
    (51987.0, 1.0, "51,990"), (9999.4, 1.0, "9999"), (2.5e12, 1.0, "2.5e+12"),
    (6000, 1.0, "6000"), ("text", 1.0, "text")])
def test_numbers_have_four_digits(value, factor, text):
    assert number(value, factor) == text


def test_the_table_is_grouped_and_holds_every_value():
    """Also that of a key which has no words, and unknown values; the title comes first."""
    facts = {"title": "A run", "time_h": 264.0, "steps": 528, "wall_s": 26.29, "cells": 6000,
             "ore_kg": 8851.5, "ore_m3": 5.901, "warning": "too salty", "news_kg": 3.25,
             "recovery_REE": 0.25, "purity_REE_plate": None, "charge_C": 12000.0}
    lines = table(facts).splitlines()
    assert lines[:4] == ["A run", "  264 h in 528 steps, 26.29 s of wall time",
                         "  5.901 m3 of ore, 8.851 t dry, in 6000 voxels", "  warning: too salty"]
    assert "  5.9 l of ore, 8.851 kg dry, in 6000 voxels" in table(
        {**facts, "ore_m3": 0.0059, "ore_kg": 8.8515})
    heads = [line for line in lines[4:] if line and line[0] != " "]
    assert heads == ["What came out", "Purity", "Energy and current", OTHER]
    shown = {" ".join(line.split()) for line in lines}
    assert {"REE recovered, of what was exchangeable 25 %", "on the plates -",
            "charge passed 12 kC", "news_kg 3.25"} <= shown
    assert table({**facts, "water_substeps": 903}).splitlines()[1] == (
        "  264 h in 528 steps, its water in 903 sub-steps, 26.29 s of wall time")
    assert set(HEAD) - {"water_substeps"} <= set(facts)


def test_why_there_is_no_energy_per_rare_earth_is_said():
    """Next to nothing came out; where there are no rare earths, or no energy, nothing is said."""
    facts = {"energy_kWh": 2.0, "energy_kWh_per_kg_REE": None, "recovery_REE": 1e-14}
    assert "per kg of REE recovered" in table(facts)
    assert "-  (no REE came out, but for rounding)" in table(facts)
    for other in ({"recovery_REE": None}, {"energy_kWh": 0.0}):
        assert "rounding" not in table({**facts, **other})


def test_of_many_stages_the_first_and_last_currents_are_shown():
    """42 turns of rotated rows: two at either end, and the range of the 38 between, no 84 lines."""
    found = {f"current_stage{n}_{end}_A": float(n)
             for n in range(1, 43) for end in ("start", "end")}
    lines = [line.split() for line in table(found).splitlines() if "stage" in line]
    assert len(lines) == 9 and [line[-2] for line in lines if line[0] == "at"] == [
        "1", "1", "2", "2", "41", "41", "42", "42"]
    assert "in stages no. 3 to 40 3 to 40 A".split() in lines
    assert len(table({k: v for k, v in found.items() if "stage4" in k}).splitlines()) == 10
