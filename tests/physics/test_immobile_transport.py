"""Current and ions in immobile water: by hand, against an exact profile, and in a running block."""

import numpy as np
import pytest
from helpers.quick_flags import quick_backend
from helpers.salt_block import SALT, advance, salt_case
from scipy.special import erfc

from ekm3d import Case, Simulation
from ekm3d.constants import FARADAY
from ekm3d.diagnostics.balances import Balances
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.physics.immobile_transport import passing_ions
from ekm3d.state import has_immobile_field

SLOWLY = "ore.immobile={{share={}, rate='1e-9 1/s'}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("salt"))


# --- ions between both waters -----------------------------------------------------------------

def test_ions_pass_by_their_share_of_the_current(backend):
    """The immobile water gains 6e-9 eq/s too many cations: Na+ leaves it, Cl- enters it.

    Na+ with D = 1.3, Cl- with 2.0 (1e-9 m2/s); 4 mol/m3 of Na+ in the immobile and 3 mol/m3 of
    Cl- in the moving water, which the ions leave: they carry 5.2 and 6.0 of 11.2 parts. With the
    opposite charge they leave the other water, 10 Na+ and 2 Cl-: 13 and 4 of 17 parts.
    """
    g = Grid((2, 1, 1), (0.1, 0.1, 0.1))
    z, d, nu = np.array([1.0, -1.0]), np.array([1.3e-9, 2.0e-9]), np.eye(2)
    c, still, gained, moved = (backend.zeros((2, *g.padded)) for _ in range(4))
    drive = backend.zeros(g.padded)
    for array, values in ((c, (10.0, 3.0)), (still, (4.0, 2.0))):
        for n, value in enumerate(values):
            array[n][g.inner] = value
    gained[0][g.inner] = backend.from_numpy(np.array([[[8e-9, 1e-9]]]))
    gained[1][g.inner] = backend.from_numpy(np.array([[[2e-9, 7e-9]]]))
    bound = backend.bind(passing_ions, NS=2, NK=2)
    bound(g, c, still, gained, z, d, nu, z, drive, moved)
    found = backend.to_numpy(moved[g.inner])[:, 0, 0]
    np.testing.assert_allclose(found[:, 0], [6e-9 * 5.2 / 11.2, -6e-9 * 6 / 11.2], rtol=1e-14)
    np.testing.assert_allclose(found[:, 1], [-6e-9 * 13 / 17, 6e-9 * 4 / 17], rtol=1e-14)
    np.testing.assert_allclose(backend.to_numpy(drive[g.inner])[0, 0],
                               [6e-9 / 11.2e-9, -6e-9 / 17e-9], rtol=1e-14)


def test_nothing_passes_without_ions():
    """No ion in either water: nothing can carry the charge, and nothing is not a number."""
    g = Grid((1, 1, 1), (0.1, 0.1, 0.1))
    c, gained = np.zeros((2, *g.padded)), np.ones((2, *g.padded))
    moved, drive = np.full_like(c, 7.0), np.full(g.padded, 7.0)
    z = np.array([1.0, 2.0])
    passing_ions(g, c, c, gained, z, z, np.eye(2), z, drive, moved)
    assert not moved[g.inner].any() and not drive[g.inner].any()


# --- a running block --------------------------------------------------------------------------

@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_immobile_water_conducts(folder, share):
    """The current at the start is that of the block without immobile water, whatever the share.

    Both waters are alike then and lie side by side on every face and contact: equal to the
    solver's tolerance. With field = false the share of 0.9 is cut off, and the current falls
    below 0.4 of it.
    """
    currents = []
    for more in ((), (SLOWLY.format(share),)):
        sim = Simulation(Case.read(folder, (*SALT, *more)), quick_backend())
        sim.fields()
        currents.append(sim.boundary_values.row_currents()[0])
    assert currents[1] == pytest.approx(currents[0], rel=1e-8)
    if share == 0.9:
        cut = SLOWLY.format(share).replace("}", ", field=false}")
        sim = Simulation(Case.read(folder, (*SALT, cut)), quick_backend())
        sim.fields()
        assert not has_immobile_field(sim.state)
        assert sim.boundary_values.row_currents()[0] < 0.4 * currents[0]


@pytest.mark.parametrize("more", [(SLOWLY.format(0.6),), (SLOWLY.format(0.6), "schedule.order=2"),
                                  (SLOWLY.format(0.6).replace("}", ", tortuosity=0.1}"),)],
                         ids=["order 1", "order 2", "own tortuosity"])
def test_each_water_is_neutral_and_no_mole_is_lost(folder, more):
    """At 20 V, with moving water diluted fivefold in one half, and hardly any exchange.

    Where the dilute half begins the current passes from the moving to the immobile water: more than
    a tenth of all of it. Charge of each water, moles and Faraday's law: to the tolerance of the
    solver, as everywhere; steps are as long as the program likes.
    """
    sim = Simulation(Case.read(folder, (*SALT, *more)), quick_backend())
    s, inner = sim.state, sim.grid.inner
    s.totals[..., :GHOST + 3] *= 0.2
    sim.reactions.advance(s)
    sim.balances = Balances(sim)
    sim.step()
    passing = np.tensordot(sim.chem.charge, sim.transport.still.moved[inner], 1)
    assert FARADAY * np.abs(passing).sum() > 0.1 * sim.boundary_values.row_currents()[0]
    advance(sim, 2400.0)
    assert has_immobile_field(s) and sim.heun.refused == 0 and s.step > 3
    assert sim.balances.mass_errors().max() < 1e-13
    assert sim.balances.charge_max < 1e-9
    assert sim.balances.faraday_error() < 1e-9
    assert np.abs(s.immobile_charge[inner]).max() < 1e-9


# --- diffusion --------------------------------------------------------------------------------

COLUMN = """
title = "salt enters both waters"
[physics]
flow = false
potential = {potential}
[grid]
size = ["0.1 m", "1 m", "1 m"]
spacing = ["{spacing} mm", "1 m", "1 m"]
[ore]
porosity = 0.4
water_content = 0.4
tortuosity = 1.0
immobile = {{ share = 0.4, rate = "1e-15 1/s", tortuosity = 0.25 }}
[chemistry.inline]
activity = {{ model = "ideal", water_activity = 0.0 }}
mobility = {{ model = "sqrt", coefficient = 0.0 }}
component = [
  {{ name = "Na+", charge = 1, molar_mass = 22.99, diffusion = 8e-9, source = "own" }},
  {{ name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 8e-9, source = "own" }}]
[water]
composition = {{ "Na+" = "1 mol/m3", "Cl-" = "1 mol/m3" }}
[[side]]
face = "x-"
composition = {{ "Na+" = "3 mol/m3", "Cl-" = "3 mol/m3" }}
[schedule]
max_step = "{step} s"
[[schedule.stage]]
name = "run"
duration = "2e4 s"
"""


@pytest.mark.parametrize("potential", ["true", "false"])
def test_salt_diffuses_in_both_waters(tmp_path, potential):
    """c = 1 + 2 erfc(x / (2 sqrt(tau D t))) in either, from a side with 3 mol/m3; second order.

    D = 8e-9 m2/s for both ions, tau = 1 and 0.25, 2e4 s: fronts of 25 and 13 mm in 10 cm. As the
    exchange takes 1e15 s, the waters do not know of one another but by the potential, and that
    is zero as both ions are alike.
    """
    errors = []
    for spacing, step in ((4.0, 400.0), (2.0, 100.0)):
        (tmp_path / "case.toml").write_text(
            COLUMN.format(spacing=spacing, step=step, potential=potential))
        sim = advance(Simulation(Case.read(tmp_path), quick_backend()), 2e4)
        x = sim.grid.centres(2)
        for c, tau in ((sim.state.c, 1.0), (sim.state.immobile_c, 0.25)):
            exact = 1 + 2 * erfc(x / (2 * np.sqrt(tau * 8e-9 * 2e4)))
            errors.append(np.abs(c[0][sim.grid.inner][0, 0] - exact).max())
        assert sim.balances.mass_errors().max() < 1e-13
    coarse, fine = np.array(errors[:2]), np.array(errors[2:])
    assert (fine < (5e-4, 6e-3)).all(), errors
    assert (coarse / fine > 3.5).all(), errors
