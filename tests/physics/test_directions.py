"""Rock whose properties differ along x, y and z: columns along each axis, and a block in 3D."""

import numpy as np
import pytest
from helpers.case_files import complaints
from helpers.kernel_worlds import COUNTS, WORLDS, World, compared
from helpers.quick_flags import quick_backend
from helpers.salt_block import ORE, SALT, advance, salt_case

from ekm3d import Case, Simulation
from ekm3d.physics import potential, transport

TAU, K, K_E = (0.7, 0.35, 0.14), (3e-6, 1e-6, 2e-7), (1e-8, 2e-8, 5e-9)
COLUMN = """
title = "a column along one axis"
[grid]
size = {size}
spacing = {spacing}
[ore]
porosity = 0.4
{water}
tortuosity = {tau}
permeability = {k}
electroosmotic_permeability = {k_e}
dispersivity = "1 cm"
[chemistry.inline]
activity = {{ model = "ideal", water_activity = 0.0 }}
mobility = {{ model = "sqrt", coefficient = 0.0 }}
component = [
  {{ name = "Na+", charge = 1, molar_mass = 22.99, diffusion = 1.3e-9, source = "own" }},
  {{ name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 2e-9, source = "own" }}]
[water]
composition = {{ "Na+" = "1 mol/m3", "Cl-" = "1 mol/m3" }}
[[side]]
face = "{axis}-"
composition = {{ "Na+" = "3 mol/m3", "Cl-" = "3 mol/m3" }}
potential = "1 V"
head = "0.2 m"
[[side]]
face = "{axis}+"
composition = {{ "Na+" = "1 mol/m3", "Cl-" = "1 mol/m3" }}
potential = "0 V"
head = "0 m"
[schedule]
[[schedule.stage]]
name = "run"
duration = "2 h"
"""
FULL = "water_content = 0.4"
DRY = 'water_content = 0.3\nretention = { alpha = "2 1/m", n = 1.6, saturated = 0.4 }'


def column(folder, axis, water, by_axis):
    """Run a column along x, y or z; by_axis: rock with three values, else those of the axis."""
    n = "xyz".index(axis)
    size, spacing = ([["1 cm", "10 cm"][m == n] for m in range(3)], 3 * ["1 cm"])
    values = (list(v) if by_axis else v[n] for v in (TAU, K, K_E))
    units = ([f"{v} {unit}" for v in both] if by_axis else f"{both} {unit}" for both, unit in zip(
        values, ("", "m/s", "m2/V/s"), strict=True))
    tau, k, k_e = (repr(u).replace("' ", "'").replace(" '", "'") for u in units)
    folder.mkdir(exist_ok=True)
    (folder / "case.toml").write_text(COLUMN.format(
        size=size, spacing=spacing, axis=axis, water=water, tau=tau, k=k, k_e=k_e))
    return advance(Simulation(Case.read(folder), quick_backend()), 7200.0)


@pytest.mark.parametrize("water", [FULL, DRY], ids=["full", "unsaturated"])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_column_has_the_rock_of_its_axis(tmp_path, axis, water):
    """Current, flow, osmosis, drift, diffusion and contacts along an axis: as if it were alone.

    The column in rock with three values of everything against one in rock with those of its axis,
    two hours with a voltage, a head and a salt front: equal but for rounding of a ratio of values.
    The conductances along other axes differ fivefold and more: a wrong one would show.
    """
    three, alone = (column(tmp_path / name, axis, water, name == "three")
                    for name in ("three", "alone"))
    assert three.state.step == alone.state.step
    inner = three.grid.inner
    for name in ("c", "phi", "head"):
        found, wanted = (getattr(sim.state, name)[inner] for sim in (three, alone))
        assert np.ptp(wanted) > 0.05 * np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(three.flow.water, alone.flow.water, rtol=1e-8, atol=1e-18)
    assert three.balances.mass_errors().max() < 1e-13
    assert three.balances.charge_max < 1e-9


@pytest.mark.parametrize("host", [
    "quick", "launched", pytest.param("cpp", marks=pytest.mark.slow),
    pytest.param("ptx", marks=pytest.mark.slow), pytest.param("gpu", marks=pytest.mark.gpu)],
    indirect=True)
@pytest.mark.parametrize("twin", [potential.face_conductance, transport.component_flux,
                                  transport.component_gain, transport.outflow_coefficients],
                         ids=lambda twin: twin.__name__)
def test_kernels_take_the_factor_of_their_axis(host, twin, rng):
    """The kernel made for three factors against its twin, one axis closed where another is open.

    1e-12 of the largest number: some dozen roundings of terms that cancel to no less than 1e-3. The
    text for three factors takes 10 s at -O3, in the slow suite.
    """
    w = World((9, 6, 5), rng, **WORLDS["both"])
    factor = w.transport_factor[0]
    w.transport_factor = np.stack([0.3 * factor, factor[..., ::-1].copy(), factor])
    bound = host.bind(twin, **COUNTS | {"NT": 3})
    for wanted, found in compared(twin, bound, w):
        there = ~np.isnan(wanted)
        assert np.array_equal(there, ~np.isnan(found))
        np.testing.assert_allclose(found[there], wanted[there], rtol=0,
                                   atol=1e-12 * np.abs(wanted[there]).max())


def test_three_equal_values_are_one(tmp_path):
    """The salt block in 3D, with electrodes, exchange and immobile water: the same bits.

    Ratios are exactly 1, so that every way by which they act multiplies by 1.
    """
    folder, ends = salt_case(tmp_path), []
    still = "ore.immobile={share=0.3, rate='1e-5 1/s'}"
    for three in (False, True):
        ore = Case.read(folder, SALT).ore
        given = [(key, float(getattr(ore, name).flat[0]), unit) for key, name, unit in (
            ("tortuosity", "tortuosity", ""), ("permeability", "hydraulic_conductivity", "m/s"),
            ("electroosmotic_permeability", "electroosmosis", "m2/V/s"))]
        changes = [f"ore.{key}=" + (repr(3 * [f"{v!r} {u}".strip()]) if three else f"'{v!r} {u}'")
                   for key, v, u in given]
        case = Case.read(folder, (*ORE, still, *changes))
        ends.append(advance(Simulation(case, quick_backend()), 1800))
    for name in ("totals", "immobile", "phi", "head"):
        assert np.array_equal(*(getattr(sim.state, name) for sim in ends))


@pytest.mark.parametrize("change, words", [
    ("ore.permeability=['1e-6 m/s', '1e-7 m/s']", "three values for x, y and z"),
    ("ore.tortuosity={x=0.5, y=0.5}", "three values for x, y and z"),
    ("ore.permeability=[]", "three values for x, y and z"),
    ("ore.tortuosity={x=0.5, y=0.5, z=0.5, layers=[]}", "three values for x, y and z"),
    ("ore.tortuosity=[[0.5], 0.5, 0.5]", "ore.tortuosity.x"),
    ("ore.density=['1 g/cm3', '1 g/cm3', '1 g/cm3']", "ore.density"),
    ("ore.tortuosity=[0.5, 0.5, 1.5]", "ore.tortuosity.z"),
    ("ore.electroosmotic_permeability=[0, 0, '1e-9 m2/V/s']", "is 0 where the values along y or z"),
])
def test_wrong_values_are_told(tmp_path, change, words):
    """Two values, a direction that is missing, one out of bounds, and nothing along x."""
    assert words in "\n".join(complaints(salt_case(tmp_path), change))


ROD = """
[electrodes]
overpotential = "0 V"
contact_resistance = "0 ohm"
catholyte_volume = "1 l"
[[electrodes.row]]
name = "rod"
rods = {{ lines = [[{0}, {1}]], radius = "4 mm" }}
[[electrodes.row]]
name = "other"
rods = {{ lines = [[{2}, {3}]], radius = "4 mm" }}
[[well]]
name = "in"
kind = "head"
at = "rod"
head = "0.2 m"
[[well]]
name = "out"
kind = "head"
at = "other"
head = "0 m"
[schedule]
max_step = "30 s"
[[schedule.stage]]
name = "run"
duration = "2 h"
anodes = ["rod"]
cathodes = ["other"]
voltage = "1 V"
"""


@pytest.mark.parametrize("axis, water", [(0, FULL), (1, FULL), (2, FULL), (1, DRY)])
def test_a_rod_draws_on_the_rock_across_it(tmp_path, axis, water):
    """Current and water of two rods along an axis do not depend on the rock's value along them.

    They cross the whole block, so that nothing moves along the axis; the values across are one,
    that along is a third of it. Steps of 30 s, as those that transport takes would depend on it.
    1e-6; 2e-6 of unsaturated water, whose iterations and sub-steps leave 1.3e-6.
    Along z that water sinks.
    """
    size = ["4 cm"] * 3
    size[axis] = "2 cm"
    ends = [[0.015, 0.015, 0.015], [0.025, 0.025, 0.025]]
    lines = []
    for place in ends:
        for end in (0.0, 0.02):
            lines.append([end if d == axis else place[d] for d in range(3)])
    text = COLUMN[:COLUMN.index("[[side]]")].replace("Na+", "H+").replace("22.99", "1.008")
    found = []
    for along in (1.0, 1.0 / 3.0):
        values = [[v * (along if d == axis else 1.0) for d in range(3)]
                  for v in (0.5, 1e-6, 1e-8)]
        tau, k, k_e = ([f"{v!r} {unit}".strip() for v in three]
                       for three, unit in zip(values, ("", "m/s", "m2/V/s"), strict=True))
        folder = tmp_path / str(along)
        folder.mkdir()
        (folder / "case.toml").write_text(
            text.format(size=size, spacing=["1 cm"] * 3, water=water, tau=tau, k=k, k_e=k_e)
            + ROD.format(*lines))
        sim = Simulation(Case.read(folder), quick_backend())
        advance(sim, 600.0)
        sim.fields()
        found.append((sim.boundary_values.row_currents()[0],
                      sum(inflow.sum() for _, inflow in sim.flow.wells[:1])))
    assert abs(found[0][0]) > 1e-6 and abs(found[0][1]) > 1e-12
    assert found[1] == pytest.approx(found[0], rel=2e-6 if water == DRY else 1e-6)
