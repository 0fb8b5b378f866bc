"""Switches of the processes, and contradictions between sections of a case."""

import re
import warnings

import pytest
from helpers.case_files import OPEN, SMALL, complaints, copy, told

from ekm3d.case import case_data
from ekm3d.case.case import Case, CaseError
from ekm3d.case.toml_text import key_lines

BARE = ["electrodes.row=[]", "side=[]", "schedule.stage=[{name='rest', duration=9}]"]


def test_all_processes_are_on_by_default(tmp_path):
    physics = Case.read(copy(tmp_path)).physics
    assert (physics.potential, physics.flow, physics.transport, physics.chemistry) == (True,) * 4
    assert physics.scheme == "blended" and Case.read(OPEN).physics.scheme == "upwind"


def test_each_process_can_be_switched_off():
    """The report names what is off: the process that was switched off, and none that was not."""
    every = {"potential", "flow", "transport", "chemistry"}
    for name in ("potential", "flow", "transport"):
        case = Case.read(OPEN, [f"physics.{name}=false"])
        assert {n for n in every if not getattr(case.physics, n)} == {name}
        off = re.search("^  off +(.*)$", case.describe(), flags=re.M)[1].split(", ")
        assert every & {*off} == {name}


@pytest.mark.parametrize("override, key, message", [
    ("physics.flow=1", "physics.flow", "should be true or false, not 1"),
    ("physics.flow=off", "physics.flow", "should be true or false, not 'off'"),
    ("physics.flows=true", "physics.flows", "unknown key; did you mean 'flow'?"),
    ("physics.scheme=central", "physics.scheme", "should be 'blended' or 'upwind', not 'central'"),
    ("physics=3", "physics", "should be a table, not 3"),
])
def test_wrong_switch_is_refused(override, key, message):
    told(OPEN, key, message, override)


def test_chemistry_off_requires_free_components(tmp_path):
    """H+ forms OH-: named. Na+ and Cl- alone form nothing. Nor may there be minerals."""
    told(OPEN, "physics.chemistry", "is off, but the chosen components form OH-; take a database "
         "without species, exchange and minerals", "physics.chemistry=false")
    free = Case.read(OPEN, ["physics.chemistry=false", "chemistry.components=['Na+', 'Cl-']",
                            *BARE])
    assert not free.physics.chemistry and len(free.chemistry.species) == 2
    told(copy(tmp_path, SMALL), "physics.chemistry", "form OH-, HSO4-, NH3, ",
         "physics.chemistry=false")


BATTERY = """title = "electrodes in water without reactions"
[physics]
chemistry = false
flow = false
[grid]
size = ["0.4 m", "0.1 m", "0.1 m"]
spacing = "10 cm"
[ore]
porosity = 0.4
water_content = 0.4
tortuosity = 0.5
[chemistry.inline]
component = [
  { name = "H+", charge = 1, molar_mass = 1.008, diffusion = 9.3e-9, source = "a test" },
  { name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 2.0e-9, source = "a test" },
]
activity = { model = "ideal", water_activity = 0.0 }
mobility = { model = "sqrt", coefficient = 0.0 }
[electrodes]
overpotential = "0 V"
contact_resistance = "1 ohm"
catholyte_volume = "0 l"
row = [{ name = "a", plates = [[["0 m", "0 m", "0 m"], ["0.1 m", "0.1 m", "0.1 m"]]] },
       { name = "b", plates = [[["0.3 m", "0 m", "0 m"], ["0.4 m", "0.1 m", "0.1 m"]]] }]
[[schedule.stage]]
name = "on"
duration = "1 h"
anodes = ["a"]
cathodes = ["b"]
voltage = "3 V"
"""


def test_electrodes_with_current_need_reactions(tmp_path):
    """Base is H+ below zero without OH-: such runs ended in ever shorter steps, or in NaN.

    Nothing against electrodes that rest, or where nothing is moved.
    """
    (tmp_path / "case.toml").write_text(BATTERY)
    told(tmp_path, "physics.chemistry", "is off, and a stage drives electrodes")
    told(tmp_path, "physics.chemistry", "would be H+ below zero",
         "schedule.stage=[{ name = 'floats', duration = '1 h', floating = ['a+b'] }]")
    for fine in ("physics.potential=false", "physics.transport=false",
                 "schedule.stage=[{ name = 'rest', duration = '1 h' }]"):
        assert Case.read(tmp_path, [fine]).electrodes.rows


def test_storage_excludes_transport():
    """Transport takes the water content as constant, storage changes it. Zero changes nothing."""
    told(OPEN, "ore.storage", "is above 0, and the water content of a case with transport does "
         "not change; set physics.transport = false", "ore.storage=1e-4 1/m")
    assert not Case.read(OPEN, ["ore.storage=0"]).ore.storage.any()
    told(OPEN, "ore.storage", "it must be at least 0 1/m", "ore.storage=-1")


def test_electrodes_require_H_only_with_transport():
    """A potential alone asks for no chemistry of electrodes."""
    chosen = "chemistry.components=['Na+', 'Cl-']"
    assert ["H+ is missing" in line for line in complaints(OPEN, chosen)] == [True]
    Case.read(OPEN, [chosen, "physics.transport=false"])


GARBAGE = ["[]", "{}", "text", "[[1]]", "1e300", "1e-320", "{formula='1/0',unit='V'}",
           "{table='a.npy'}", "{samples='\\u0000',column='a'}"]


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.slow)
                                       for turn in range(1, len(GARBAGE)))])
def test_garbage_in_the_open_case_is_refused_without_traceback(turn):
    """Garbage for every key of the open case in turn: a Case or a CaseError, without warnings.

    Another kind for every next key; all kinds for all keys in the slow suite.
    """
    for n, path in enumerate(key_lines((OPEN / "case.toml").read_text())):
        garbage = GARBAGE[(n + turn) % len(GARBAGE)]
        dotted = ".".join(f'"{p}"' if isinstance(p, str) else str(p) for p in path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                assert Case.read(OPEN, [f"{dotted}={garbage}"]).describe()
            except CaseError as error:
                assert error.lines and all(error.lines)


def test_electrodes_require_H(tmp_path):
    """The current leaves electrodes as H+ and OH-, which only a system with H+ can carry."""
    lines = complaints(copy(tmp_path), 'chemistry.components=["NH4", "SO4", "Na", "LREE", "Ca"]')
    assert any("H+ is missing" in line for line in lines)


@pytest.mark.parametrize("key, most", [("series_every", "10,000,000"),
                                       ("snapshot_every", "100,000"), ("checkpoint", "100,000")])
def test_intervals_that_fill_any_disk_are_refused(tmp_path, key, most):
    """A microsecond in a run of hours; what would be right is said."""
    with pytest.raises(CaseError, match=f"output.{key}: 1e-06 s makes .* {most} are the most"):
        Case.read(copy(tmp_path), (f"output.{key}=1e-6 s",))


def test_a_switch_that_has_the_name_of_a_process_adds_it(tmp_path, monkeypatch):
    """Any switch of [physics] will do: here that of the flow, as if it had fields of its own."""
    monkeypatch.setattr(case_data, "PROCESSES", (*case_data.PROCESSES, "flow"))
    folder = copy(tmp_path)
    assert Case.read(folder).processes == ("flow",)
    assert Case.read(folder, ("physics.flow=false",)).processes == ()
