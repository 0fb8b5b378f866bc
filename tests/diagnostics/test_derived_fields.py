"""Fields of a snapshot, from a state in which every number is different."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.case_files import ROOT
from helpers.quick_flags import quick_backend
from helpers.salt_block import ORE, salt_case, simulation
from helpers.slow_options import SLOW, STILL

from ekm3d import Case, Simulation
from ekm3d.backends import choose
from ekm3d.backends.cuda import CudaBackend
from ekm3d.diagnostics.derived_fields import (
    dynamic_fields,
    exchangeable_mg_per_kg,
    parts,
    snapshot,
    vectors,
)
from ekm3d.diagnostics.inventory import by_phase, by_total
from ekm3d.grid.stencil import faces
from ekm3d.output.results import open_results
from ekm3d.output.run_directory import RunDirectory
from ekm3d.state import FIELDS, component


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


def test_a_state_field_that_is_shown_is_in_the_snapshot_as_it_is(sim):
    """Unit and meaning as declared, the array but for metal; one number of every voxel each."""
    sim.state.fields["charge"] = replace(FIELDS["charge"], shown=True)
    described = {field.name: field for field in dynamic_fields(sim)}
    assert described["charge"].unit == "mol/m3" and "immobile_water" not in described
    assert described["charge"].meaning == FIELDS["charge"].meaning
    ore, shown = sim.electrodes.ore, dict(snapshot(sim))
    for name in ("charge", "head", "pH"):
        assert np.array_equal(shown[name][ore], getattr(sim.state, name)[sim.grid.inner][ore])
    assert all(field.axis == "" and field.where == "voxels" for field in FIELDS.values()
               if field.shown)


def test_a_snapshot_shows_every_declared_field_once(sim):
    """REE by their molar masses per kg of dry ore: dissolved and on clay; as solids apart."""
    names = [name for name, _ in snapshot(sim)]
    assert sorted(names) == sorted(field.name for field in dynamic_fields(sim))
    shown, chem = dict(snapshot(sim)), sim.chem
    earths = [(chem.molar_mass[k], *parts(sim, k)) for k, g in enumerate(chem.groups) if g == "REE"]
    mobile = sum(1e6 * mass * (water + clay) for mass, water, clay, _ in earths) / sim.ore.density
    solid = sum(1e6 * mass * solid for mass, _, _, solid in earths) / sim.ore.density
    ore = sim.electrodes.ore
    np.testing.assert_allclose(shown["REE_mg_per_kg"][ore], mobile[ore], rtol=1e-14)
    np.testing.assert_allclose(exchangeable_mg_per_kg(sim, "REE"), mobile, rtol=1e-14)
    np.testing.assert_allclose(shown["REE_hydroxide_mg_per_kg"][ore], solid[ore], rtol=1e-14)
    (water, _, _), label = parts(sim, 0), sim.chem.labels[0]
    np.testing.assert_allclose((shown[f"{label}_dissolved"] * sim.nonequilibrium.water_content()[
        sim.grid.inner])[ore], water[ore], rtol=1e-14)


def test_vectors_are_means_of_opposite_faces_in_the_order_x_y_z(sim, rng):
    """Flow 2 and 4 through the faces across x of one voxel, over their area; y and z like that."""
    grid, free = sim.grid, (3, 2, 1)                     # voxel k, j, i that no electrode touches
    flows = [rng.random(faces(np.zeros(grid.padded), axis).shape) for axis in range(3)]
    for axis, (low, high) in enumerate(((0.0, 0.5), (1.0, 2.0), (2.0, 4.0))):
        index = list(free)
        flows[axis][tuple(index)] = low
        index[axis] += 1
        flows[axis][tuple(index)] = high
    found = vectors(sim, flows, np.zeros(sim.contacts.faces.voxel.size))
    assert found.shape == (*grid.shape, 3)
    assert found[free] == pytest.approx([mean / grid.face_area(2 - n)
                                         for n, mean in enumerate((3.0, 1.5, 0.25))])


def test_the_current_is_shown_up_to_the_electrodes():
    """A column between two plates: the same density I / A in every voxel of ore, NaN in metal.

    The solver's tolerance is 1e-10; the faces at the plates belong to the electrodes' lists.
    """
    sim = Simulation(Case.read(ROOT / "cases" / "verification" / "ohmic_start"), "numpy")
    sim.fields()
    shown, ore = dict(snapshot(sim)), sim.electrodes.ore
    area = sim.grid.size[1] * sim.grid.size[2]
    expected = sim.boundary_values.row_currents()[0] / area
    assert expected > 0.0
    np.testing.assert_allclose(shown["current_density"][ore], [[expected, 0.0, 0.0]] * ore.sum(),
                               rtol=1e-8, atol=1e-8 * expected)
    for name, values in shown.items():
        assert np.isfinite(values[ore]).all(), name
        assert np.isfinite(values[~ore]).all() if name == "phi" else np.isnan(values[~ore]).all()


def test_idle_metal_shows_no_potential(tmp_path):
    """The idle electrode of the salt block has none; the driven ones show theirs, the ore its own.
    """
    sim = simulation(salt_case(tmp_path))
    sim.fields()
    phi, ore = dict(snapshot(sim))["phi"], sim.electrodes.ore
    idle = sim.electrodes.masks[sim.electrodes.names.index("middle.1")]
    assert np.isnan(phi[idle]).all() and np.isfinite(phi[~idle]).all() and ore.any()


def test_a_snapshot_from_a_device_is_waited_for_and_the_same(monkeypatch, tmp_path):
    """Nothing else is done after the copies have been asked for, and so nothing else waits.

    1e-6 for float32; what is a sum that cancels (net charge) to 1e-12 mol/m3.
    """
    case = Case.read(salt_case(tmp_path), ORE)
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, cuda_stand_in))
    shown = []
    for name, backend in (("host", quick_backend()), ("cuda", "cuda")):
        sim = Simulation(case, backend)
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
