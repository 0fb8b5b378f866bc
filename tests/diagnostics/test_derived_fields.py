"""Fields of a snapshot, from a state in which every number is different."""

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.salt_block import ORE, salt_case, simulation
from helpers.slow_options import SLOW, STILL

from ekm3d import Case, Simulation
from ekm3d.backends import choose
from ekm3d.backends.base import Backend
from ekm3d.backends.cuda import CudaBackend
from ekm3d.diagnostics.derived_fields import (
    dynamic_fields,
    exchangeable_mg_per_kg,
    parts,
    snapshot,
    vectors,
)
from ekm3d.diagnostics.inventory import by_phase, by_total
from ekm3d.grid.grid import Grid
from ekm3d.grid.stencil import faces
from ekm3d.output.results import open_results
from ekm3d.output.run_directory import RunDirectory
from ekm3d.state import component


@pytest.fixture
def sim(tmp_path, rng):
    """The ore block with all stores, its state on voxels random."""
    sim = simulation(salt_case(tmp_path), *ORE, *SLOW, STILL)
    sim.fields()
    for name, field in sim.state.fields.items():
        if field.where == "voxels":
            array = getattr(sim.state, name)
            array[...] = rng.uniform(1.0, 2.0, array.shape)
    return sim


def test_phases_are_the_sums_over_all_stores(sim):
    """nu^T c theta and what rests in immobile water; nu_x^T and nu_m^T of three stores each."""
    s, chem, inner = sim.state, sim.chem, sim.grid.inner
    theta = sim.rock.water_content
    wanted = [
        np.einsum("sk,s...->k...", chem.nu, s.c) * theta + s.immobile_water,
        np.einsum("sk,s...->k...", chem.nu_x, s.exchanged + s.slow_sites + s.immobile_exchanged),
        np.einsum("sk,s...->k...", chem.nu_m, s.solid + s.kinetic_minerals + s.immobile_solid),
    ]
    for k in range(len(chem.components)):
        for found, sums in zip(parts(sim, k), wanted, strict=True):
            np.testing.assert_allclose(found, sums[k][inner], rtol=1e-14, atol=1e-14)


def test_an_inventory_is_the_sum_of_its_maps(sim):
    """V times the sum over the voxels of every part; and of the totals with their stores, whose
    acidity comes less that of the slow sites."""
    volume, found = sim.grid.voxel_volume, by_phase(sim)
    for k in range(len(sim.chem.components)):
        for amounts, part in zip(found, parts(sim, k), strict=True):
            assert amounts[k] == pytest.approx(volume * part.sum(), rel=1e-13, abs=1e-13)
    total = [component(sim.state, sim.chem, k)[sim.grid.inner].sum()
             for k in range(len(sim.chem.components))]
    np.testing.assert_allclose(by_total(sim), volume * np.array(total), rtol=1e-12)


def test_a_snapshot_shows_every_declared_field_once(sim):
    """REE by their molar masses per kg of dry ore: dissolved and on clay; as solids apart."""
    names = [name for name, _ in snapshot(sim)]
    assert sorted(names) == sorted(field.name for field in dynamic_fields(sim))
    shown, chem = dict(snapshot(sim)), sim.chem
    earths = [(chem.molar_mass[k], *parts(sim, k)) for k, g in enumerate(chem.groups) if g == "REE"]
    mobile = sum(1e6 * mass * (water + clay) for mass, water, clay, _ in earths) / sim.ore.density
    solid = sum(1e6 * mass * solid for mass, _, _, solid in earths) / sim.ore.density
    np.testing.assert_allclose(shown["REE_mg_per_kg"], mobile, rtol=1e-14)
    np.testing.assert_allclose(exchangeable_mg_per_kg(sim, "REE"), mobile, rtol=1e-14)
    np.testing.assert_allclose(shown["REE_hydroxide_mg_per_kg"], solid, rtol=1e-14)
    water, _, _ = parts(sim, 0)
    ore, label = sim.electrodes.ore, sim.chem.labels[0]
    assert np.isnan(shown["pH"][~ore]).all() and np.isfinite(shown["pH"][ore]).all()
    np.testing.assert_allclose((shown[f"{label}_dissolved"] * sim.nonequilibrium.water_content()[
        sim.grid.inner])[ore], water[ore], rtol=1e-14)


def test_vectors_are_means_of_opposite_faces_in_the_order_x_y_z(rng):
    """Flow 2 and 4 through the faces of 0.2 x 0.5 m2 across x: 3 / 0.1; y and z like that."""
    grid = Grid((3, 4, 5), (0.1, 0.2, 0.5))
    flows = [rng.random(faces(np.zeros(grid.padded), axis).shape) for axis in range(3)]
    flows[2][0, 0, :2] = 2.0, 4.0
    flows[1][0, :2, 0], flows[0][:2, 0, 0] = (1.0, 2.0), (0.0, 0.5)
    found = vectors(grid, Backend("plain arrays"), flows)
    assert found.shape == (5, 4, 3, 3)
    assert found[0, 0, 0] == pytest.approx([3.0 / 0.1, 1.5 / 0.05, 0.25 / 0.02])


def test_a_snapshot_from_a_device_is_waited_for_and_the_same(monkeypatch, tmp_path):
    """Nothing else is done after the copies have been asked for, and so nothing else waits.

    1e-6 for float32; what is a sum that cancels (net charge) to 1e-12 mol/m3.
    """
    case = Case.read(salt_case(tmp_path), ORE)
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, cuda_stand_in))
    shown = []
    for name in ("cpp", "cuda"):
        sim = Simulation(case, name)
        sim.fields()
        outputs = RunDirectory(sim, tmp_path / name)
        for copy in outputs.copies.values():
            copy[...] = -1.0
        outputs.snapshot()
        outputs.writer.wait()
        shown.append(open_results(tmp_path / name))
    assert shown[0].fields.keys() == shown[1].fields.keys()
    for name in shown[0].fields:
        one, other = (results.field(name, 0) for results in shown)
        scale = np.nanmax(np.abs(one), initial=0.0)
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6 * scale + 1e-12,
                                   err_msg=name)
