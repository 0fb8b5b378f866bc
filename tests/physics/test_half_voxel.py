"""The half voxel before metal: which voxel lies behind it, and its diffusion potential by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.quick_flags import quick_backend
from helpers.salt_block import ORE, advance, salt_case

from ekm3d import Case, Simulation
from ekm3d.backends.choose import choose_backend
from ekm3d.boundaries.boundary_faces import ANODE
from ekm3d.constants import FARADAY
from ekm3d.grid.grid import Grid
from ekm3d.physics.half_voxel import behind, face_currents


def test_behind_a_voxel_lies_the_next_one_into_the_ore():
    """Up and down every axis; the voxel's own where the block ends and of a rod (axis -1)."""
    g = Grid((3, 4, 5), (1.0, 1.0, 1.0))

    def flat(k, j, i):
        return np.ravel_multi_index((k + 2, j + 2, i + 2), g.padded)

    faces = SimpleNamespace(voxel=np.array([flat(1, 2, 1)] * 7 + [flat(0, 0, 2), flat(4, 3, 0)]),
                            axis=np.array([2, 2, 1, 1, 0, 0, -1, 2, 0]),
                            way=np.array([1, -1, 1, -1, 1, -1, 0, 1, 1]))
    assert behind(faces, g).tolist() == [
        flat(1, 2, 2), flat(1, 2, 0), flat(1, 3, 1), flat(1, 1, 1), flat(2, 2, 1), flat(0, 2, 1),
        flat(1, 2, 1), flat(0, 0, 2), flat(4, 3, 0)]


@pytest.mark.parametrize("species", [3, 8, 24, 29])
def test_the_compiled_half_voxels_have_the_bits_of_the_reference(cuda, rng, species):
    """Tanks, metal and closed faces; voxels behind them closed, too; marked faces; no metal at all.

    Launched as on a GPU and by cpp, up to more species than eight at a time can be added.
    """
    n, places = 50, 4
    g = Grid((n, 1, 1), (1.0, 1.0, 1.0))
    tank, marked = rng.random((2, n)) < 0.5
    z, d = rng.integers(-2, 4, species).astype(float), rng.uniform(1e-9, 9e-9, species)
    for m, metal in ((n, np.zeros(n, bool)), (2 * n, ~tank & (rng.random(n) < 0.7))):
        values = [10.0 ** rng.uniform(-6, 3, (species, m)), rng.random(m) * (rng.random(m) < 0.8),
                  10.0 ** rng.uniform(-6, 3, (species, places)), rng.integers(0, places, n),
                  rng.random(n), rng.normal(size=n) * 0.1,
                  *(a.astype(np.uint8) for a in (marked, tank, metal))]
        found = []
        for on in (*map(choose_backend, ("numpy", "cpp")), cuda):
            out = [on.zeros(n) for _ in range(2)]
            on.bind(face_currents, NS=species)(
                g, *map(on.from_numpy, values), z, d, n, m, places, 38.9, *out)
            found.append([on.to_numpy(a) for a in out])
        for other in found[1:]:
            assert np.array_equal(other, found[0])
        assert (found[0][1][~tank & ~metal] == 0.0).all() and found[0][1].any()


@pytest.mark.parametrize("more", [(), ("ore.immobile={share=0.4, rate='1e-7 1/s'}",)],
                         ids=["one water", "two waters"])
def test_metal_has_the_diffusion_potential_of_the_gradient_behind(tmp_path, rng, more):
    """The rest potential of every anode's face by hand, in concentrations at random.

    No concentration at the metal is negative, so that it stays below RT/F = 25.7 mV. Before that,
    20 min at 20 V: charge, acid and mass close.
    """
    case = Case.read(salt_case(tmp_path), (*ORE, *more))
    sim = advance(Simulation(case, quick_backend()), 1200.0)
    assert sim.balances.charge_max < 1e-9 and sim.balances.faraday_error() < 1e-9
    assert sim.balances.mass_errors().max() < 1e-13
    boundary, s, f, chem = sim.potential.boundary, sim.state, sim.contacts.faces, sim.chem
    waters = [(s.transport_factor, s.c)] + ([(s.immobile_factor, s.immobile_c)] if more else [])
    for _, c in waters:
        c *= rng.uniform(0.1, 2.0, c.shape)
    boundary.start(sim.drive, s)
    boundary.connect(True)
    metal = np.flatnonzero(boundary.roles.kinds == ANODE)
    here, there = f.voxel[metal], behind(f, sim.grid)[metal]
    current = np.zeros(metal.size)
    for factor, c in waters:
        c, moves = c.reshape(len(c), -1), factor.ravel()[there] > 0
        ends = np.where(moves, np.maximum(1.5 * c[:, here] - 0.5 * c[:, there], 0.0), c[:, here])
        current += FARADAY * (f.area / f.half)[metal] * factor.ravel()[here] * (
            (chem.z * chem.diffusion) @ (ends - c[:, here]))
    rest = current / boundary.conductance[metal]
    np.testing.assert_allclose(boundary.rest[metal], rest, rtol=1e-9, atol=1e-12)
    assert 1e-3 < np.abs(rest).max() < 0.0257
