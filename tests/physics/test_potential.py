"""Charge conservation against independent solutions: manufactured, tabulated, analytic."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import salt_columns
from helpers.salt_columns import Block, side
from helpers.salt_medium import SALT, options, row, salt_potential, salt_state

from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Drive
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.potential import Potential, flag_drift_changes

DATA = Path(__file__).parents[1] / "data"
OFF = Drive(0, (), (), 0.0, 0.0, np.inf)


def formulas(x, y, z):
    """d1: phi, sigma and the source f = -div(sigma grad phi) at points of its box."""
    kx, ky, kz = 2 * np.pi, 2 * np.pi, np.pi / 0.3
    wave = 0.4 * np.cos(2 * kz * z) + 1
    sigma = 0.05 * wave * np.exp(1.2 * x - 1.4 * y)
    cosines = np.cos(kx * x) * np.cos(ky * y) * np.cos(kz * z)
    px = 30 * x * (1 - x) - 2 * kx * np.sin(kx * x) * np.cos(ky * y) * np.cos(kz * z)
    py = -2 * ky * np.cos(kx * x) * np.sin(ky * y) * np.cos(kz * z)
    pz = -2 * kz * np.cos(kx * x) * np.cos(ky * y) * np.sin(kz * z)
    curved = 30 - 60 * x - 2 * (kx**2 + ky**2 + kz**2) * cosines
    slope = -0.8 * kz * np.sin(2 * kz * z) / wave
    return (5 * x**2 * (3 - 2 * x) + 2 * cosines, sigma,
            -sigma * (curved + 1.2 * px - 1.4 * py + slope * pz))


def manufactured(shape):
    """The formulas at the centres of a grid of that many cells."""
    grid = Grid(shape, tuple(a / n for a, n in zip((1.0, 0.5, 0.3), shape, strict=True)))
    z, y, x = np.meshgrid(*(grid.centres(a) for a in range(3)), indexing="ij")
    return grid, *formulas(x, y, z)


def test_manufactured_source_equals_the_reference():
    """Our formulas reproduce the 200 tabulated points of d1 to their printed 12 digits."""
    table = np.genfromtxt(DATA / "d1" / "points.csv", delimiter=",", names=True)
    found = formulas(table["x_m"], table["y_m"], table["z_m"])
    for values, name in zip(found, ("phi_V", "sigma_S_m", "source_A_m3"), strict=True):
        np.testing.assert_allclose(values, table[name], rtol=1e-9, atol=1e-9)


def test_potential_is_second_order_on_d1(backend):
    """Manufactured solution in an insulated box: the error falls by 4 when h halves.

    The source enters as net charge to be removed, F rho V/dt, the way charge is fed back in
    a run. Required order 1.9: the smooth coefficients leave no reason for less than 2.
    """
    errors = []
    for n in (20, 40, 80):
        grid, phi, sigma, source = manufactured((n, n // 2, 3 * n // 10))
        potential = salt_potential(grid, backend)
        s = salt_state(grid, sigma)
        s.charge[grid.inner] = (source - source.mean()) / FARADAY
        potential.solve(s, OFF, 1.0)
        found = s.phi[grid.inner]
        errors.append(np.sqrt(np.mean((found - found.mean() - phi + phi.mean())**2)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders.min() > 1.9, (errors, orders)


def electrode_rows(grid):
    """The heterogeneous block of d4 on a grid, and its two rows of posts."""
    spec = json.loads((DATA / "d4" / "definition.json").read_text())
    z, y, x = np.meshgrid(*(grid.centres(a) for a in range(3)), indexing="ij")
    sigma = np.where(z > spec["zlay"], spec["s_top"], spec["s_bot"])
    for x0, x1, y0, y1, z0, z1, value in spec["blocks"]:
        sigma[(x > x0) & (x < x1) & (y > y0) & (y < y1) & (z > z0) & (z < z1)] = value
    sigma = sigma * (1 + spec["grad"][0] * x / 1.0 + spec["grad"][1] * y / 0.6)
    boxes = [((x0, y0, z0), (x1, y1, z1)) for x0, x1, y0, y1, z0, z1, _ in spec["electrodes"]]
    return sigma, (row("anodes", *boxes[:3]), row("cathodes", *boxes[3:]))


def test_electrode_rows_carry_the_current_of_d4(backend):
    """Embedded posts at 20 V and 0 V in a block with a contrast of 40: current per post.

    On the base grid (h = 0.02 m) our scheme is the reference's finite-volume one, so every
    current agrees to the digits of its table and to the tolerance of its solver, 1e-6.
    """
    grid = Grid((50, 30, 20), (0.02, 0.02, 0.02))
    sigma, rows = electrode_rows(grid)
    potential = salt_potential(grid, backend, rows)
    s = salt_state(grid, np.where(potential.contacts.electrodes.solid, 0.0, sigma), 6)
    potential.solve(s, Drive(0, ("anodes",), ("cathodes",), 20.0, 1.0, np.inf), 1.0)
    current = potential.contacts.per_place(potential.into_ore)
    table = np.genfromtxt(DATA / "d4" / "electrode_currents.csv", delimiter=",", names=True)
    np.testing.assert_allclose(current, table["fv_1x"], rtol=1e-6)
    assert abs(current.sum()) < 1e-9 * current[:3].sum()


def test_contact_resistance_adds_to_the_ore(backend):
    """A bar between two plates: I = (V - V_ov) / (L / (sigma A) + R_anode + R_cathode), exactly.

    8 voxels of ore of 0.1 m, 0.06 m2, 0.05 S/m: 266.7 ohm; contacts 18 ohm each; linear, so
    only the solver's tolerance is left.
    """
    grid = Grid((10, 3, 2), (0.1, 0.1, 0.1))
    plates = [((x, 0, 0), (x + 0.1, 0.3, 0.2)) for x in (0.0, 0.9)]
    rows = (row("a", plates[0], contact_resistance=18.0),
            row("c", plates[1], contact_resistance=18.0))
    potential = salt_potential(grid, backend, rows, overpotential=2.5)
    s = salt_state(grid, np.where(potential.contacts.electrodes.solid, 0.0, 0.05), 2)
    potential.solve(s, Drive(0, ("a",), ("c",), 30.0, 1.0, np.inf), 1.0)
    current = potential.contacts.per_place(potential.into_ore)
    expected = 27.5 / (0.8 / (0.05 * 0.06) + 36.0)
    np.testing.assert_allclose(current, [expected, -expected], rtol=1e-10)


@pytest.mark.parametrize("contrast", [1e4, 1e6])
def test_two_layers_in_series_share_the_voltage(backend, contrast):
    """Sharp contrast across one face: current = V / sum(L / sigma A); the series face is exact.

    1e-8 leaves room for the solver: its 1e-11 is relative to the much larger link of the anode.
    """
    grid = Grid((10, 1, 1), (0.1, 0.2, 0.3))
    plates = [((x, 0, 0), (x + 0.1, 0.2, 0.3)) for x in (0.0, 0.9)]
    potential = salt_potential(grid, backend, (row("a", plates[0]), row("c", plates[1])))
    sigma = np.where(np.arange(10) < 4, 0.3, 0.3 / contrast) * np.ones(grid.shape)
    s = salt_state(grid, np.where(potential.contacts.electrodes.solid, 0.0, sigma), 2)
    potential.solve(s, Drive(0, ("a",), ("c",), 1.0, 1.0, np.inf), 1.0)
    expected = 1.0 / ((0.3 / 0.3 + 0.5 * contrast / 0.3) / 0.06)
    np.testing.assert_allclose(potential.contacts.per_place(potential.into_ore),
                               [expected, -expected], rtol=1e-8)


def test_reversed_drive_passes_no_current(backend):
    """Below the overpotential, and with the power off, no electrode face conducts."""
    grid = Grid((6, 1, 1), (0.1, 0.1, 0.1))
    plates = [((x, 0, 0), (x + 0.1, 0.1, 0.1)) for x in (0.0, 0.5)]
    potential = salt_potential(grid, backend, (row("a", plates[0]), row("c", plates[1])), 2.5)
    s = salt_state(grid, np.where(potential.contacts.electrodes.solid, 0.0, 0.05), 2)
    for voltage, duty in ((2.0, 1.0), (30.0, 0.0)):
        potential.solve(s, Drive(0, ("a",), ("c",), voltage, duty, np.inf), 1.0)
        assert not potential.into_ore.any()


def floating_bar(backend, voltage, overpotential, boxes, cells=(11, 1, 1), duty=1.0):
    """(Potential, state) of a bar of 0.05 S/m with floating metal `boxes` in it."""
    grid = Grid(cells, (0.1, 0.1, 0.1))
    width, height = 0.1 * cells[1], 0.1 * cells[2]
    plates = [((x, 0, 0), (x + 0.1, width, height)) for x in (0.0, 0.1 * (cells[0] - 1))]
    rows = (row("a", plates[0]), row("c", plates[1]), row("f", *boxes))
    potential = salt_potential(grid, backend, rows, overpotential)
    s = salt_state(grid, np.where(potential.contacts.electrodes.solid, 0.0, 0.05),
                   potential.contacts.electrodes.strips)
    drive = Drive(0, ("a",), ("c",), voltage, duty, np.inf, floating=(("f",),))
    potential.solve(s, drive, 1.0)
    return potential, s


@pytest.mark.parametrize("voltage, driving", [(30.0, 25.0), (6.0, 1.0), (4.9, 0.0), (3.0, 0.0)])
def test_floating_plate_across_a_bar_splits_water_at_its_price(backend, voltage, driving):
    """The current must pass through the metal: U - 2.5 V for the ends, 2.5 V more for the plate.

    I = (U - 5 V) / (0.7 m / (0.05 S/m x 0.01 m2)), nothing below 5 V. Without a price of its own
    the plate would let a current pass from 2.5 V on.
    """
    potential, _ = floating_bar(backend, voltage, 2.5, [((0.5, 0, 0), (0.6, 0.1, 0.1))],
                                cells=(10, 1, 1))
    current = potential.contacts.per_place(potential.into_ore)
    expected = driving / (0.7 / (0.05 * 0.01))
    np.testing.assert_allclose(current[:2], [expected, -expected], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(current[2], 0.0, atol=1e-9 * max(expected, 1e-9))
    faces = potential.into_ore[potential.contacts.of_rows(("f",))]
    np.testing.assert_allclose(sorted(faces), [-expected, expected], rtol=1e-9, atol=1e-15)


def test_averaged_pulses_pay_that_price_in_their_share_of_time(backend):
    """Half the time 30 V: half the current of the last test's bar."""
    potential, _ = floating_bar(backend, 30.0, 2.5, [((0.5, 0, 0), (0.6, 0.1, 0.1))],
                                cells=(10, 1, 1), duty=0.5)
    current = potential.contacts.per_place(potential.into_ore)
    np.testing.assert_allclose(current[0], 0.5 * 25.0 / (0.7 / (0.05 * 0.01)), rtol=1e-9)


@pytest.mark.parametrize("voltage", [4.0, 12.0, 40.0])
def test_faces_of_floating_metal_keep_their_law(backend, voltage):
    """A long bar and a post, wired, on the way of the current: every face and the sum are checked.

    H+ is made where the metal is more than 1.25 V above the ore, OH- where it is as much below,
    nothing in between, and the sum of the currents is nil. At 4 V the voltage along the metal does
    not suffice for any of it; above, faces of all three kinds occur.
    """
    boxes = [((0.2, 0.1, 0), (0.7, 0.2, 0.1)), ((0.8, 0.2, 0), (0.9, 0.3, 0.1))]
    potential, s = floating_bar(backend, voltage, 2.5, boxes, cells=(12, 4, 2))
    boundary, faces = potential.boundary, potential.contacts.of_rows(("f",))
    above = boundary.level[faces] - potential.phi_at_faces(s.phi)[faces]
    current = potential.into_ore[faces]
    scale = potential.into_ore.max()
    assert abs(current.sum()) < 1e-8 * scale
    assert (current[np.abs(above) < 1.25 * (1 - 1e-8)] == 0.0).all()
    assert (current[above > 1.25 * (1 + 1e-8)] > 0.0).all()
    assert (current[above < -1.25 * (1 + 1e-8)] < 0.0).all()
    kinds = {float(sign) for sign in np.sign(current)}
    assert kinds == ({-1.0, 0.0, 1.0} if voltage > 4.0 else {0.0})


def test_only_inner_faces_conduct(backend):
    """The box is closed: no conductance on its outer faces."""
    grid = Grid((4, 3, 2), (0.1, 0.1, 0.1))
    potential = salt_potential(grid, backend)
    potential.solve(salt_state(grid, 0.1), OFF, 1.0)
    for axis, n in enumerate(grid.shape):
        plane = [slice(None)] * 3
        for edge in (GHOST - 1, GHOST + n - 1):
            plane[axis] = edge
            assert not potential.conductance[axis][tuple(plane)].any()


@pytest.mark.parametrize("then, now, bad", [
    (0.1, -0.1, False),                # |z u| = 0.3 behind a turn: diffusion makes up for it
    (0.1, -0.2, True),                 # 0.6
    (-0.1, 0.2, True),
    (0.0, 0.6, False),                 # 1.8 from rest: below 2
    (0.0, 0.7, True),                  # 2.1
    (0.5, 0.9, False),                 # 2.7 from 1.5: below twice
    (-0.5, -1.1, True),                # 3.3
    (5.0, 0.1, False)])                # weaker
def test_flag_drift_changes(backend, then, now, bad):
    """u = (F/RT) drop of c* then and now, of ions of charge 3: told on the one face that counts.

    The same drift across faces that are safe already, or do not conduct, is in nobody's way.
    """
    grid = Grid((2, 1, 1), (0.1, 0.1, 0.1))
    phi, previous = np.zeros((2, *grid.padded))
    phi[grid.inner], previous[grid.inner] = (now / F_RT, 0.0), (then / F_RT, 0.0)
    conductance, find = np.zeros((3, *grid.padded)), backend.bind(flag_drift_changes, NS=2)
    conductance[2, 2, 2, 2] = 1e-9
    safe, flagged = np.zeros((2, *conductance.shape), np.uint8)
    find(grid, phi, previous, conductance, safe, 3.0, flagged)
    assert flagged[2, 2, 2, 2] == bad and flagged.sum() == bad
    safe[2, 2, 2, 2] = 1
    find(grid, phi, previous, conductance, safe, 3.0, flagged)
    assert not flagged.any()
    find(grid, phi, previous, 0.0 * conductance, 0 * safe, 3.0, flagged)
    assert not flagged.any()


def test_given_source_flows_to_its_sink(backend):
    """2 A/m3 in voxel 1 of ten, -2 in voxel 8, insulated: 2 mA between them, 0.2 V per voxel.

    Voxels of 0.1 m and 0.1 S/m: 2e-3 A x 0.1 m / (0.1 S/m x 0.01 m2); solved directly, 1e-12.
    """
    grid = Grid((10, 1, 1), (0.1, 0.1, 0.1))
    source = np.zeros(grid.padded)
    source[grid.inner][0, 0, [1, 8]] = 2.0, -2.0
    given = np.pad(np.full(grid.shape, 0.1), GHOST)
    contacts = BoundaryFaces(grid, Electrodes(grid, (), 0.0))
    potential = Potential(grid, backend, Domain(grid), SALT, contacts,
                          options(source=source, conductivity=given))
    s = salt_state(grid, 0.0)
    potential.solve(s, OFF, 1.0)
    drops = -np.diff(s.phi[grid.inner][0, 0])
    np.testing.assert_allclose(drops, [0.0] + [0.2] * 7 + [0.0], atol=1e-12)


def test_metal_potential_is_kept_apart_from_phi(backend):
    """An anode at 7 V that covers half of an open side: its voxel and the side's face there.

    phi is the solution in the ore and stays 0 in metal; the closed face reads 7 V, exactly.
    """
    rows = (row("a", ((0.0, 0.0, 0.0), (0.1, 0.1, 0.1))),
            row("c", ((0.4, 0.0, 0.0), (0.5, 0.2, 0.1))))
    block = Block((5, 2, 1), (0.1, 0.1, 0.1), salt_columns.SALT, rows=rows, backend=backend,
                  sides=[side(False, composition={}, potential=0.0)], given=np.zeros((1, 2)))
    block.fill(1.0, 1.0, tank=[1.0, 1.0])
    block.state.reservoir_species[:, -1] = 1.0
    block.solve(Drive(0, ("a",), ("c",), 7.0, 1.0, np.inf))
    potential, phi = block.potential, block.state.phi
    voxels, values = potential.metal_potential()
    assert values.tolist() == [7.0, 0.0, 0.0] and not phi.ravel()[voxels].any()
    covered, opened = potential.phi_at_faces(phi)[block.contacts.of_side(0)]
    assert covered == 7.0 and opened == phi[GHOST, GHOST + 1, GHOST] != 0.0
