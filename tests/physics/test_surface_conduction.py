"""Cations that move along the clay: carriers and current, a cloud's speed, a running block."""

import numpy as np
import pytest
from helpers.case_files import complaints
from helpers.quick_flags import quick_backend
from helpers.salt_block import ORE, SALT, advance, salt_case

from ekm3d import Case, Simulation
from ekm3d.boundaries.boundary_faces import ANODE, BARE_CATHODE, TANK
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import Grid
from ekm3d.grid.stencil import above, below, faces, gain
from ekm3d.physics.surface_conduction import clay_conductance, clay_gain, exchange_diffusion

MOBILE = "ore.surface_mobility=0.02"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("salt"))


def test_clay_carries_what_its_cations_carry(backend, rng):
    """F sum z_k gain_k is what the conductance lets in, whatever phi: 1e-13 of the currents.

    Three cations of charge 1, 2 and 3 at random, some faces with the smaller side.
    """
    g = Grid((6, 5, 4), (0.1, 0.2, 0.3))
    z, d, nu = np.array([1.0, 2.0, 3.0]), np.array([2e-9, 0.8e-9, 0.6e-9]), np.eye(3)
    held, factor = rng.random((3, *g.padded)), rng.random((1, *g.padded)) * 0.02
    phi, old = rng.normal(size=(2, *g.padded))
    flags = (rng.random((3, *g.padded)) < 0.2).astype(np.uint8)
    arrays = [backend.from_numpy(a) for a in (held, factor, phi, old, flags)]
    conductance, gained = backend.zeros((3, *g.padded)), backend.zeros((3, *g.padded))
    backend.bind(clay_conductance, NX=3, NK=3, NT=1)(
        g, arrays[0], arrays[1], arrays[3], arrays[4], z, d, conductance)
    backend.bind(clay_gain, NX=3, NK=3, NT=1)(g, *arrays, z, d, nu, gained)
    S = backend.to_numpy(conductance)
    flows = [faces(S[a], a) * (below(phi, a) - above(phi, a)) for a in range(3)]
    carried = FARADAY * np.tensordot(z, backend.to_numpy(gained)[g.inner], 1)
    let_in = sum(gain(flow, a) for a, flow in enumerate(flows))
    np.testing.assert_allclose(carried, let_in, rtol=0,
                               atol=1e-13 * max(np.abs(flow).max() for flow in flows))


def test_a_cloud_on_clay_moves_with_the_field():
    """The mean place of what clay holds moves at s z D (F/RT) E, exactly; nothing gets lost.

    A cloud in 60 voxels of 1 cm, 200 steps at 30 V/m: first moments of upwind fluxes are exact.
    """
    g = Grid((60, 1, 1), (0.01, 0.1, 0.1))
    x = np.arange(60) * 0.01
    held, factor = np.zeros((1, *g.padded)), np.full((1, *g.padded), 0.02)
    held[0][g.inner] = np.exp(-((x - 0.1) / 0.02)**2)
    phi = np.zeros(g.padded)
    phi[...] = -30.0 * 0.01 * np.arange(g.padded[2])
    z, d, gained = np.array([2.0]), np.array([0.8e-9]), np.zeros((1, *g.padded))
    factor[..., :2] = factor[..., -2:] = 0.0                # closed ends
    flags, before = np.zeros((3, *g.padded), np.uint8), held[0][g.inner][0, 0].copy()
    for _ in range(200):
        clay_gain(g, held, factor, phi, phi, flags, z, d, np.eye(1), gained)
        held += 500.0 / g.voxel_volume * gained
    after = held[0][g.inner][0, 0]
    moved = (after * x).sum() / after.sum() - (before * x).sum() / before.sum()
    assert after.sum() == pytest.approx(before.sum(), rel=1e-13)
    assert moved == pytest.approx(0.02 * 2 * 0.8e-9 * F_RT * 30.0 * 1e5, rel=1e-6)
    assert (after >= 0).all()


def test_the_conductance_of_a_block_is_that_of_water_and_clay(folder):
    """Uniform ore at rest: a face has A/h times F (F/RT) s sum z2 D N more than without clay.

    By hand from the exchanger's content and the free ions' D; the field "conductivity" agrees.
    """
    plain, clay = (Simulation(Case.read(folder, (*ORE, *more)), quick_backend())
                   for more in ((), (MOBILE,)))
    for sim in (plain, clay):
        sim.fields()
    chem, s = clay.chem, clay.state
    d = [chem.diffusion[chem.species.index(chem.components[int(row.argmax())])]
         for row in chem.nu_x]
    held = s.exchanged[clay.grid.inner][:, 1, 1, 2]
    sigma = FARADAY * F_RT * 0.02 * np.sum(chem.z_x**2 * d * held)
    shape = clay.grid.face_area(2) / clay.grid.spacing_along(2)
    found = clay.potential.conductance[2] - plain.potential.conductance[2]
    assert found[clay.grid.inner][1, 1, 2] == pytest.approx(shape * sigma, rel=1e-9)
    more = clay.field("conductivity") - plain.field("conductivity")
    assert more[1, 1, 2] == pytest.approx(sigma, rel=1e-9)
    assert 1e-3 < sigma


@pytest.mark.parametrize("more", [(), ("schedule.order=2",), (
    "ore.immobile={share=0.4, rate='1e-7 1/s'}", "ore.tortuosity=[0.6, 0.4, 0.2]")],
    ids=["order 1", "order 2", "immobile, directions"])
def test_every_mole_and_every_charge_is_found(folder, more):
    """40 min at 20 V: what clay carries is booked like the rest, to the solver's tolerance."""
    sim = advance(Simulation(Case.read(folder, (*ORE, MOBILE, *more)), quick_backend()), 2400.0)
    assert np.abs(sim.potential.clay.gained).max() > 0 and sim.heun.refused == 0
    assert sim.balances.mass_errors().max() < 1e-13
    assert sim.balances.charge_max < 1e-9
    assert sim.balances.faraday_error() < 1e-9
    assert (sim.state.totals[1:][sim.grid.inner] >= 0).all()


@pytest.mark.parametrize("tank", ["0 l", "0.5 l"], ids=["bare cathode", "tank"])
def test_clay_conducts_up_to_the_metal(folder, tank):
    """The half voxel at a contact has the conductance of its water and of its clay.

    By hand of the voxel's exchanger: A/(h/2) F (F/RT) s sum z2 D N more than without clay, at the
    anode and at the cathode, bare or behind a tank that cations then enter.
    """
    sim = Simulation(Case.read(folder, (
        *ORE, MOBILE, f"electrodes.row.1.catholyte_volume='{tank}'")), quick_backend())
    sim.fields()
    boundary, f = sim.potential.boundary, sim.contacts.faces
    carries = np.isin(boundary.roles.kinds, (ANODE, BARE_CATHODE, TANK))
    held = sim.domain.gather(sim.state.exchanged, f.voxel)
    sigma = FARADAY * F_RT * 0.02 * ((sim.chem.z_x**2 * exchange_diffusion(sim.chem)) @ held)
    found, boundary.clay = boundary.conductance.copy(), None
    boundary.connect(True)
    found = found - boundary.conductance
    np.testing.assert_allclose(found[carries], (f.area / f.half * sigma)[carries], rtol=1e-9)
    assert np.isin(TANK if tank != "0 l" else BARE_CATHODE, boundary.roles.kinds)


def test_clay_gives_to_a_tank_what_it_conducts(folder):
    """Of the current into a tank the clay carries its share of the conductance, in cations.

    Mass and charge close as ever with a quarter of the current on the clay; no cation comes
    out of the tank's water: where the current is reversed clay conducts nothing.
    """
    more = ("ore.surface_mobility=0.5",)
    sim = advance(Simulation(Case.read(folder, (*ORE, *more)), quick_backend()), 1200.0)
    boundary, clay = sim.potential.boundary, sim.potential.clay
    tank = boundary.roles.kinds == TANK
    assert (boundary.clay_contact[tank] > 0).all() and not boundary.clay_contact[~tank].any()
    held = sim.domain.gather(sim.state.exchanged, sim.contacts.faces.voxel)
    drift = F_RT * boundary.clay_contact * boundary.drop
    leaves = FARADAY * (clay.z * clay.diffusion * clay.z) @ held * drift
    assert 0.2 < leaves[tank].sum() / -boundary.into_ore[tank].sum() < 0.3
    assert sim.balances.mass_errors().max() < 1e-13
    assert sim.balances.charge_max < 1e-9 and sim.balances.faraday_error() < 1e-9
    assert (sim.state.totals[1:][sim.grid.inner] >= 0).all()
    boundary.previous_drop[tank] = -1.0
    boundary._take_waters(sim.state)
    boundary.connect(True)
    assert not boundary.clay_contact.any()


def test_carriers_are_needed(folder):
    """Without exchange species nothing could move, and a given conductivity leaves no room."""
    text = "\n".join(complaints(folder, *SALT, MOBILE))
    assert "no exchange species" in text
    assert "takes its place" in "\n".join(complaints(folder, *ORE, MOBILE,
                                                     "ore.conductivity='0.1 S/m'"))
