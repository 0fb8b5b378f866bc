"""Concentrations at faces: limits, bounds and symmetries of the blending formula."""

import numpy as np
import pytest

from ekm3d.constants import RT_F
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.physics.face_interpolation import (
    BELOW,
    advected,
    from_reservoir,
    geometric_conductance,
    migrating,
    open_faces,
    share_of_mean,
    superbee,
    upstream_differences,
    van_leer,
)

ONE = np.array([1.0])
OPEN = np.ones(1)                      # every face of the padded line counts as open
WIDE = np.array(1e9)                   # diffusion that leaves no front sharp


def line(values, axis=2):
    """Species on a line of voxels without closed ends, padded; values: (species, n + 2 ghosts)."""
    values = np.atleast_2d(np.array(values, dtype=float))
    n, length = values.shape
    shape = [n, *[1 + 2 * GHOST] * 3]
    shape[axis + 1] = length
    index = [slice(None), None, None, None]
    index[axis + 1] = slice(None)
    return np.broadcast_to(values[tuple(index)], shape).copy()


def on_faces(c, u, z=ONE, safe=False, axis=2, blend=1.0, speed=0.0):
    """c* on the faces of a line whose potential falls by u RT/F across each; (species, n)."""
    face = migrating(c, z, speed, np.asarray(u) * RT_F, safe, blend,
                     upstream_differences(c, OPEN, axis), axis)
    return np.moveaxis(face, axis + 1, -1)[:, 0, 0]


def textbook_van_leer(up, own):
    """phi(r)/2 in its textbook form, (r + |r|)/(1 + |r|) / 2 with r = up/own."""
    r = up / own
    return 0.5 * (r + abs(r)) / (1 + abs(r))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_geometric_conductance_is_two_half_voxels_in_series(axis):
    """Two layers of h/2 on area A: G = 1/(h/2 A m_a + h/2 A m_b); nothing through a closed one.

    Unequal spacings: A and h belong to the axis. Mobilities 0.3 and 3e-5: the smaller rules.
    """
    grid = Grid((3, 3, 3), (0.1, 0.3, 0.7))
    m = np.zeros(grid.padded)
    cut = [GHOST] * 3
    for offset, value in enumerate((0.3, 3e-5, 0.0)):
        cut[axis] = GHOST + offset
        m[tuple(cut)] = value
    h = (0.7, 0.3, 0.1)[axis]
    area = 0.1 * 0.3 * 0.7 / h
    found = geometric_conductance(m, grid, axis)
    expected = 1 / (0.5 * h / (area * 0.3) + 0.5 * h / (area * 3e-5))
    cut = [0] * 3
    cut[axis] = slice(None)
    np.testing.assert_allclose(found[tuple(cut)], [0, expected, 0, 0], rtol=1e-14)


def test_upstream_differences_at_neighbours_and_closed_faces():
    """Ghosts 0 1, voxels 4 9, ghosts 16 25: differences 1 3 5 7 9, those between ghosts as well.

    Across the border of a box of voxels its neighbours go on. The face that is closed, between 9
    and 16 by a mobility of 0, has no difference, for itself and for both its neighbours.
    """
    c = line([0, 1, 4, 9, 16, 25])
    closed = open_faces(line([1.0, 2.0, 3.0, 4.0, 0.0, 6.0])[0], 2)
    assert closed.tolist() == [[[True, True, True, False, False]]]
    for opened, expected in ((OPEN, ([3, 5, 7], [1, 3, 5], [5, 7, 9])),
                             (closed, ([3, 5, 0], [1, 3, 5], [5, 0, 0]))):
        found = upstream_differences(c, opened, 2)
        np.testing.assert_array_equal([f[0, 0, 0] for f in found], expected)


def test_van_leer_limiter():
    """phi(r)/2 of van Leer (1974): 0 for r <= 0, 1/2 at r = 1, towards 1 for large r.

    It also reads phi/2 = r/(1 + r): any ratio, both signs, is compared with the textbook form.
    """
    own = np.array([1.0, 1.0, 1.0, 2.0, -2.0, -1.0, 1.0])
    up = np.array([1.0, -1.0, 0.0, 0.5, -7.0, 3.0, 1e9])
    np.testing.assert_allclose(van_leer(own, up), textbook_van_leer(up, own), rtol=1e-15)
    assert van_leer(own, up)[0] == 0.5
    assert van_leer(np.zeros(2), np.array([0.0, 1.0])).tolist() == [0.0, 0.0]


def test_limiters_at_trace_concentrations():
    """r = 1/3 of differences of 1e-200, whose product is 0 in double precision: 1/4 and 1/3."""
    own, up = np.array([3e-200, -3e-200]), np.array([1e-200, -1e-200])
    np.testing.assert_allclose(van_leer(own, up), 0.25, rtol=1e-15)
    np.testing.assert_allclose(superbee(own, up), 1 / 3, rtol=1e-15)


@pytest.mark.parametrize("u", [0.0, 1e-6, 0.5, -0.5, 1.0, -1.0])
def test_face_is_central_where_diffusion_rules(u):
    """For |u| <= 1, w = 1: the mean of both sides, extremum or not."""
    values = [5.0, 1.0, 8.0, 2.0, 2.0, 9.0]
    np.testing.assert_allclose(on_faces(line(values), u), [[4.5, 5.0, 2.0]], rtol=1e-15)


@pytest.mark.parametrize("u", [1.5, 4.0, -4.0, 300.0])
def test_face_is_limited_upwind_where_drift_rules(u):
    """c* = c_up + (w/2 + (1 - w) phi/2)(c_down - c_up), w = 1/|u|, by hand on the middle face.

    Voxels 1 2 | 5 11: from below r = 1/3, from above r = 6/3. u is that of the ion, z included.
    """
    c = line([0.0, 1.0, 2.0, 5.0, 11.0, 0.0])
    own, up, start = (3.0, 1.0, 2.0) if u > 0 else (-3.0, -6.0, 5.0)
    w = 1 / abs(u)
    expected = start + (w / 2 + (1 - w) * textbook_van_leer(up, own)) * own
    for z in (1.0, -2.0, 3.0):
        found = on_faces(c, u / z, np.array([z]))[0, 1]
        assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("courant", [0.25, 0.75, 1.0, 3.0])
def test_courant_number_reduces_the_slope(courant):
    """Lax and Wendroff: k times 1 - nu, nu the Courant number of the ion, none from nu = 1 on.

    The front moves while the step lasts, so the face meets c_up + (1 - nu)/2 of the difference
    on average. By hand on the middle face of 1 2 | 5 11, for drift at u = 4 and for water; below
    |u| = 1, where diffusion rules, it fades like u2.
    """
    c = line([0.0, 1.0, 2.0, 5.0, 11.0, 0.0])
    left = max(1 - courant, 0.0)
    drift = on_faces(c, 4.0, speed=courant / 4.0)[0, 1]
    assert drift == pytest.approx(
        2 + 3 * left * (1 / 8 + 3 / 4 * textbook_van_leer(1.0, 3.0)), rel=1e-14
    )
    slow = on_faces(c, 0.5, speed=courant / 0.5)[0, 1]
    assert slow == pytest.approx(2 + 3 * max(1 - courant / 4, 0.0) / 2, rel=1e-14)
    differences = upstream_differences(c, OPEN, 2)
    water = advected(c, 1.0, courant, WIDE, 0.0, 1.0, differences, 2)[0, 0, 0, 1]
    assert water == pytest.approx(2 + 3 * left * textbook_van_leer(1.0, 3.0), rel=1e-14)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_face_is_symmetric_in_direction_and_charge(axis, rng):
    """Turning the line and the field round gives the same c*; so does turning charge and field."""
    values, z = rng.uniform(0, 1, (3, 9)), np.array([1.0, -2.0, 3.0])
    u = rng.normal(0, 3, 6)
    cut = [None, None, None]
    cut[axis] = slice(None)
    forth = on_faces(line(values, axis), u[tuple(cut)], z, axis=axis)
    back = on_faces(line(values[:, ::-1], axis), -u[::-1][tuple(cut)], z, axis=axis)
    np.testing.assert_allclose(forth, back[:, ::-1], rtol=1e-13)
    anti = on_faces(line(values, axis), -u[tuple(cut)], -z, axis=axis)
    np.testing.assert_array_equal(forth, anti)


def test_face_bounds_that_keep_concentrations_positive(rng):
    """Concentrations over 8 decades, u over 6: min <= c* <= max, and the bounds of positivity.

    The limited part of c* is at most 2 c_up (van Leer's TVD bound); the voxel beyond adds to
    the drift u c* no more than diffusion brings back, u c* <= 2 u c_up + c_down.
    """
    values = 10 ** rng.uniform(-4, 4, (2000, 7))
    u = 10 ** rng.uniform(-3, 3, 4) * rng.choice([-1, 1], 4)
    face = on_faces(line(values), u, np.ones(2000))
    a, b = values[:, 1:5], values[:, 2:6]
    up, down = np.where(u > 0, a, b), np.where(u > 0, b, a)
    slack = 1 + 1e-14
    assert (face <= np.maximum(a, b) * slack).all() and (face * slack >= np.minimum(a, b)).all()
    assert (np.abs(u) * face <= (2 * np.abs(u) * up + down) * slack).all()
    sharp = on_faces(line(values), 1e12 * u, np.ones(2000))
    assert (sharp <= 2 * up * slack).all()


def test_flagged_faces_take_the_smaller_side():
    """For any drift, and only where the face is marked."""
    c = line([[5.0, 1.0, 8.0, 2.0, 3.0, 9.0], [1.0, 2.0, 1.0, 4.0, 2.0, 1.0]])
    z = np.array([1.0, -1.0])
    safe = np.array([True, False, True]).reshape(1, 1, 3)
    for u in (-9.0, -0.1, 0.0, 0.1, 9.0):
        found = on_faces(c, u, z, safe)
        np.testing.assert_array_equal(found[:, [0, 2]], [[1.0, 2.0], [1.0, 2.0]])
        np.testing.assert_array_equal(found[:, 1], on_faces(c, u, z)[:, 1])


def test_superbee_limiter():
    """phi(r) = max(0, min(2 r, 1), min(r, 2)), Roe (1986), halved: any ratio and both signs."""
    r = np.array([-1.0, 0.0, 0.2, 0.5, 0.7, 1.0, 1.5, 2.0, 9.0])
    textbook = np.maximum.reduce([0 * r, np.minimum(2 * r, 1), np.minimum(r, 2)])
    for own in (1.0, -3.0):
        found = superbee(np.full(r.size, own), r * own)
        np.testing.assert_allclose(found, textbook / 2, rtol=1e-15)
    assert superbee(np.zeros(2), np.array([0.0, 1.0])).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("peclet, share", [(0.1, 0.0), (10.0, 0.0), (20.0, 0.5), (1000.0, 0.99)])
def test_superbee_share_at_high_peclet_number(peclet, share):
    """phi between van Leer's and superbee by 1 - 10/Pe, Pe = |Q| / spreading; by hand, r = 1/3.

    phi/2: 1/4 of van Leer, 1/3 of superbee.
    """
    c = line([0.0, 1.0, 2.0, 5.0, 11.0, 0.0])
    found = advected(c, 3e-6, 0.0, np.array(3e-6 / peclet), 0.0, 1.0,
                    upstream_differences(c, OPEN, 2), 2)[0, 0, 0, 1]
    assert found == pytest.approx(2 + 3 * (1 / 4 + share * (1 / 3 - 1 / 4)), rel=1e-12)


@pytest.mark.parametrize("flow", [2e-9, -2e-9])
def test_advection_limits_all_species_alike(flow):
    """The smallest phi/2 of the moving species; one that is level on the face has no say.

    Voxels 1 2 | 5 11 have r = 1/3 from below and 2 from above; those of the second species,
    10 12 | 13 13.25, r = 2 and 1/4; the third is level on the face: 7 3 | 3 9.
    """
    values = [[0.0, 1.0, 2.0, 5.0, 11.0, 0.0], [0.0, 10.0, 12.0, 13.0, 13.25, 0.0],
              [0.0, 7.0, 3.0, 3.0, 9.0, 0.0]]
    c = line(values)
    found = advected(c, flow, 0.0, WIDE, 0.0, 1.0, upstream_differences(c, OPEN, 2), 2)[:, 0, 0, 1]
    own = np.array([3.0, 1.0, 0.0])
    if flow > 0:
        expected = [2.0, 12.0, 3.0] + 0.25 * own
    else:
        expected = [5.0, 13.0, 3.0] - 0.2 * own
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_advection_is_first_order_at_an_extremum():
    """r <= 0 of one species: k = 0 for all; level in every species: either side, the same."""
    c = line([[0.0, 1.0, 2.0, 5.0, 11.0, 0.0], [0.0, 3.0, 1.0, 2.0, 4.0, 0.0]])
    found = advected(c, 1.0, 0.0, WIDE, 0.0, 1.0, upstream_differences(c, OPEN, 2), 2)[:, 0, 0, 1]
    np.testing.assert_array_equal(found, [2.0, 1.0])
    level = line(np.full((2, 6), 4.0))
    differences = upstream_differences(level, OPEN, 2)
    assert (advected(level, 1.0, 0.0, WIDE, 0.0, 1.0, differences, 2) == 4.0).all()


def test_dispersion_lets_water_take_the_mean():
    """m = 2 alpha/h of the axis, of both voxels' mean alpha; `kept` of it with a tensor."""
    grid = Grid((1, 1, 3), (0.1, 0.2, 0.4))
    alpha = np.zeros(grid.padded)
    alpha[GHOST:-GHOST, GHOST, GHOST] = [0.02, 0.06, 0.9]
    for kept in (1.0, 0.5):
        found = share_of_mean(alpha, kept, grid, 0)[:, 0, 0]
        np.testing.assert_allclose(found, kept * np.array([0.05, 0.2, 2.4, 2.25]), rtol=1e-14)


@pytest.mark.parametrize("m", [0.0, 0.3, 1.0, 4.0])
def test_mean_and_limiter_of_water(m):
    """k = max(w/6 + (1 - w/3) phi/2, w (1/2 - BELOW/max(m, 1))), w = min(m, 1), by hand.

    phi/2 is 1/4, 3/4 and, at an extremum, 0.
    """
    w = min(m, 1.0)
    for values, phi in (([0, 1, 2, 5, 11, 0], 1 / 4), ([0, -4, 5, 8, 11, 0], 3 / 4),
                        ([0, 9, 2, 5, 11, 0], 0.0)):
        c = line(values)
        differences = upstream_differences(c, OPEN, 2)
        found = advected(c, 1.0, 0.0, WIDE, m, 1.0, differences, 2)[0, 0, 0, 1]
        k = max(w / 6 + (1 - w / 3) * phi, w * (0.5 - BELOW / max(m, 1.0)))
        assert found == pytest.approx(values[2] + 3 * k, rel=1e-14)


def test_a_smooth_profile_is_carried_with_third_order():
    """Means of exp(x) over voxels of h against exp at their faces: errors by 8 as h halves.

    Fronts that fall as they come, r = exp(-h) of their differences, are the leached ore's.
    """
    errors = []
    for h in (0.4, 0.2, 0.1):
        x = h * np.arange(-3, 4)
        c = line(np.diff(np.exp(x)) / h)
        found = advected(c, 1.0, 0.0, WIDE, 1.0, 1.0, upstream_differences(c, OPEN, 2), 2)
        errors.append(abs(found[0, 0, 0, 1] - 1.0))
    assert (np.log2(np.divide(errors[:-1], errors[1:])) > 2.8).all(), errors


def test_bounds_of_water_that_keep_concentrations_positive(rng):
    """Over 8 decades: what leaves is at most 2 c_up and alpha/h c_down, which dispersion brings."""
    c = line(10 ** rng.uniform(-4, 4, (1, 2000)))
    differences = upstream_differences(c, OPEN, 2)
    for flow in (1.0, -1.0):
        a, b = c[0, GHOST, GHOST, 1:-2], c[0, GHOST, GHOST, 2:-1]
        up, down = (a, b) if flow > 0 else (b, a)
        for m in (0.0, 0.4, 1.0, 50.0):
            face = advected(c, flow, 0.0, WIDE, m, 1.0, differences, 2)[0, 0, 0]
            most = 2 * up + 0.5 * min(m, 1) * down
            assert (face >= 0).all() and (face <= most * (1 + 1e-14)).all()


def test_blend_0_is_first_order_upwind():
    """blend = 0: the upstream voxel itself, for ions and for water, whatever the slope."""
    c = line([[0.0, 1.0, 2.0, 5.0, 11.0, 0.0], [0.0, 10.0, 12.0, 13.0, 13.25, 0.0]])
    z = np.array([1.0, -1.0])
    for u in (0.4, 7.0):
        np.testing.assert_array_equal(on_faces(c, u, z, blend=0.0)[:, 1], [2.0, 13.0])
    for flow, expected in ((1.0, [2.0, 12.0]), (-1.0, [5.0, 13.0])):
        found = advected(c, flow, 0.0, WIDE, 1.0, 0.0, upstream_differences(c, OPEN, 2), 2)
        np.testing.assert_array_equal(found[:, 0, 0, 1], expected)


def test_reservoir_face_is_central_or_upwind():
    """c* = c_up + (c_down - c_up) / (2 max(|z u|, 1)); where the drift is unsure, the smaller side.

    Rows: z = 1 and -2; ore 5, tank 3; u = 4: 5 - 2/8 and 3 + 2/16; u = -4: 3 + 2/8 and 5 - 2/16.
    """
    ore, tank = np.full((2, 5), 5.0), np.full((2, 5), 3.0)
    z, drop = np.array([[1.0], [-2.0]]), RT_F * np.array([4.0, -4.0, 0.3, 0.0, 4.0])
    found = from_reservoir(ore, tank, z, drop, np.array([False, False, False, False, True]))
    np.testing.assert_allclose(
        found, [[4.75, 3.25, 4.0, 4.0, 3.0], [3.125, 4.875, 4.0, 4.0, 3.0]], rtol=1e-15)
