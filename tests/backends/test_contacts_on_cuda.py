"""Boundary faces on the stand-in device: every kind of electrode, and what of them crosses."""

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.quick_flags import quick_backend
from helpers.rod_cases import SUPPLIES, rod_case
from helpers.salt_block import ORE, salt_case

from ekm3d import Case, Simulation
from ekm3d.backends import choose
from ekm3d.backends.cuda import CudaBackend
from ekm3d.diagnostics.energy import energy_error

SALT = {"clay": ("ore.surface_mobility=0.5",),
        "floating": ("schedule.stage.0.floating=['middle']", "schedule.stage.0.voltage=60 V"),
        "bare cathode": ("electrodes.catholyte_volume=0 l",)}
WELLS = ("""well=[
    {name="feed", kind="injection", at="anodes", rate="2e-6 m3/s", max_head="0.02 m",
     composition={"Na+"="2 mmol/l", "H+"="2 mmol/l", "SO4-2"="2 mmol/l"}},
    {name="bore", kind="injection", box=[["0.2 m", "0 m", "0 m"], ["0.3 m", "0.3 m", "0.4 m"]],
     rate="1e-8 m3/s", composition={}},
    {name="sump", kind="drain", box=[["0.4 m", "0 m", "0 m"], ["0.5 m", "0.3 m", "0.4 m"]],
     head="-1 m", max_rate="1.2e-8 m3/s"},
    {name="leachate", kind="collector", at="cathodes", head="0 m"}]""".replace("\n", " "),)
RODS = {"rods": (), "supplies": (SUPPLIES,)}


def simulations(monkeypatch, case):
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, cuda_stand_in))
    return Simulation(case, quick_backend()), Simulation(case, "cuda")


@pytest.mark.parametrize("run", [*SALT, *RODS])
def test_electrodes_of_every_kind_give_the_same_currents(monkeypatch, tmp_path, run):
    """Three steps like those of the host: currents, acid and ages of contacts to 1e-9 of the
    largest, as each solver stops at 1e-11 of its source; and their energy closes there as well."""
    folder = rod_case(tmp_path, run == "supplies") if run in RODS else salt_case(tmp_path)
    one, other = simulations(monkeypatch, Case.read(folder, (*ORE, *(SALT | RODS)[run])))
    for _ in range(3):
        assert abs(one.step() / other.step() - 1) < 1e-9
    to_numpy = other.backend.to_numpy
    for name in ("into_ore", "drop", "level", "splitting", "resistance"):
        mine, theirs = (to_numpy(getattr(sim.potential.boundary, name)) for sim in (one, other))
        assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(mine).max(), name
    for name in ("electrode_acid", "electrode_charge", "catholyte_totals"):
        mine, theirs = getattr(one.state, name), getattr(other.state, name)
        assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(mine).max(), name
    assert one.boundary_values.terminal_voltage == pytest.approx(
        other.boundary_values.terminal_voltage, rel=1e-9)
    assert energy_error(other) < 1e-8 and other.balances.faraday_error() < 1e-9


def test_wells_of_every_kind_pass_the_same_water(monkeypatch, tmp_path):
    """An injection at its highest head, a bore, a drain at its pump's limit, a collector.

    Water of every opening, and what it carries, to 1e-9 of the largest, as above.
    """
    one, other = simulations(monkeypatch, Case.read(salt_case(tmp_path), (*ORE, *WELLS)))
    for _ in range(3):
        assert abs(one.step() / other.step() - 1) < 1e-9
    to_numpy = other.backend.to_numpy
    assert one.flow.control.ever[0] and one.flow.control.limited[2]
    for (_, mine), (_, theirs) in zip(one.flow.wells, other.flow.wells, strict=True):
        assert np.abs(mine - to_numpy(theirs)).max() <= 1e-9 * np.abs(mine).max() > 0.0
    for name in ("moved_in", "moved_out", "water_in", "water_out"):
        mine, theirs = (getattr(sim.balances.budget, name) for sim in (one, other))
        assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(mine).max() > 0.0, name
    for name in ("leachate", "drained", "injected"):
        mine, theirs = getattr(one.state, name), getattr(other.state, name)
        assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(mine).max() > 0.0, name
    assert other.balances.mass_errors().max() < 1e-13
