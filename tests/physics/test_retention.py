"""Faces of unsaturated rock: the mean of K over the pressure heads, laws of electro-osmosis."""

from itertools import product

import numpy as np
import pytest

from ekm3d import retention_curves as curves
from ekm3d.grid.grid import Grid
from ekm3d.physics import retention
from ekm3d.retention_curves import MODELS, PARAMETERS


def curve(size, **values):
    """Return a complete curve (parameters, size)."""
    out = np.array([np.full(size, values.get(name, {"n": 2.0, "alpha_2": 1.0, "n_2": 2.0}.get(
        name, 0.0))) for name in PARAMETERS])
    curves.complete(out)
    return out


def mean(psi_a, psi_b, **values):
    """Mean of K_r between two pressure heads by `face_mean`."""
    ends, c = np.array([[psi_a], [psi_b]]), curve(1, **values)
    k = [curves.effective(psi, c)[2] for psi in ends]
    return float(retention.face_mean(*ends, *k, c)[0])


def test_the_mean_of_gardners_soil_is_its_integral():
    """int exp(a psi) = (K_a - K_b)/a: exact; five places leave 1e-3 over e^3."""
    value = mean(-0.1, -0.4, model=MODELS["Gardner"], alpha=10.0)
    assert np.isclose(value, (np.exp(-1) - np.exp(-4)) / 3.0, rtol=1e-3)


@pytest.mark.parametrize("psi, tolerance", [((-0.75, -10.0), 2e-2), ((-0.5, -0.6), 1e-4),
                                            ((0.2, -0.5), 5e-3), ((0.5, 0.1), 1e-14)])
def test_the_mean_of_van_genuchtens_soil_is_its_integral(psi, tolerance):
    """Against 20 000 places; the first is the front of verification case h3: five decades of K."""
    soil = dict(model=1.0, alpha=3.35, n=2.0, connectivity=0.5)
    fine = np.linspace(*psi, 20001)
    exact = np.trapezoid(curves.effective(fine, curve(fine.size, **soil))[2], fine) / (
        psi[1] - psi[0])
    assert np.isclose(mean(*psi, **soil), exact, rtol=tolerance)
    assert np.isclose(mean(*psi[::-1], **soil), exact, rtol=tolerance)


@pytest.mark.parametrize("soil", [dict(alpha=2.0, n=1.4, air_entry=0.02), dict(alpha=3.35, n=2.0),
                                  dict(alpha=14.5, n=2.7)])
def test_slopes_at_the_ends_give_the_mean_where_suctions_are_near(soil):
    """Up to ratios of 1.25, and of K to 0.6, to 1e-4; without slopes Lobatto's rule: to 1e-7."""
    soil |= dict(model=1.0, connectivity=0.5)
    for wet, ratio in product((-0.1, -0.5, -4.0, -30.0), (1.08, 1.249)):
        psi, c = np.array([wet, ratio * wet]), curve(1, **soil)
        k, slopes = ([law(psi[n:n + 1], c) for n in (0, 1)] for law in (
            lambda psi, c: curves.effective(psi, c)[2], curves.conductivity_slope))
        fine = np.linspace(*psi, 20001)
        exact = np.trapezoid(curves.effective(fine, curve(fine.size, **soil))[2], fine) / (
            psi[1] - psi[0])
        ends = psi[:1], psi[1:]
        mean, plain = (retention.face_mean(*ends, *k, c, s)[0] for s in (slopes, None))
        assert np.isclose(mean, exact, rtol=1e-4) and np.isclose(plain, exact, rtol=1e-7)
        assert (mean != plain) == (0.6 < k[1] / k[0] < 0.98)
        assert np.isclose(mean, retention.face_mean(*ends[::-1], *k[::-1], c, slopes[::-1])[0],
                          rtol=1e-14)


def test_means_between_pairs_on_curves_of_every_kind(backend):
    """A kernel beside its twin, to rounding of powers: 300 pairs, of full to very dry rock."""
    rng = np.random.default_rng(3)
    c = np.concatenate([curve(50, **soil) for soil in (
        dict(model=1.0, alpha=2.0, n=1.4, connectivity=0.5, air_entry=0.02),
        dict(model=1.0, alpha=3.0, n=2.5, connectivity=-0.5), dict(model=2.0, alpha=4.0),
        dict(model=3.0, alpha=3.0, n=0.7, connectivity=0.5), dict(alpha=1.0),
        dict(model=1.0, alpha=5.0, n=1.6, alpha_2=0.5, n_2=1.4, share_2=0.4))], axis=1)
    psi = -10.0 ** rng.uniform(-3, 2, (2, 300)) * np.sign(rng.random((2, 300)) - 0.2)
    k = [curves.effective(values, c)[2] for values in psi]
    out = backend.zeros(300)
    backend.bind(retention.means_between)(
        Grid((300, 1, 1), (1.0, 1.0, 1.0)), *map(backend.from_numpy, (*psi, *k, c)), 300, out)
    with np.errstate(over="ignore", under="ignore"):
        wanted = retention.face_mean(*psi, *k, c)
    assert np.allclose(backend.to_numpy(out), wanted, rtol=1e-11, atol=0)
    assert (wanted[:200] > 0).all() and not wanted[200:250].any()


def test_the_mean_does_not_jump_where_one_voxel_is_full():
    """Between 9 cm above and some mm below the air entry the mean is that of the whole interval.

    It is taken from two places where both K differ by 2 % at most, and from more beyond: 1e-5 lies
    between both, where the arithmetic mean of both K was 9e-3 off. Water that fills a voxel beside
    a full one found no head then: iterations cycled about the jump.
    """
    soil = dict(model=1.0, alpha=2.0, n=1.4, connectivity=0.5, air_entry=0.02)
    for psi in (-0.0203, -0.0213, -0.02136, -0.0214, -0.025):
        fine = np.linspace(-0.02, psi, 20001)
        below = np.trapezoid(curves.effective(fine, curve(fine.size, **soil))[2], -fine)
        assert np.isclose(mean(psi, 0.09, **soil), (0.11 + below) / (0.09 - psi), rtol=2e-5)
        assert mean(psi, 0.09, **soil) == mean(0.09, psi, **soil)
    assert mean(-0.01, 0.09, **soil) == mean(-0.01, -0.01, **soil) == 1.0


def test_laws_of_electro_osmosis(backend):
    """S_e^2, (theta/theta_s)^2, K_r, 1 of one voxel at S_e = 1/2 (Gardner), theta 0.1 to 0.4."""
    g = Grid((1, 1, 1), (1.0, 1.0, 1.0))
    c = backend.from_numpy(np.ascontiguousarray(np.broadcast_to(curve(
        1, model=MODELS["Gardner"], alpha=1.0, residual=0.1, saturated=0.4)[:, :, None, None],
        (len(PARAMETERS), *g.padded))))
    psi = backend.zeros(g.padded)
    psi[...] = -np.log(2.0)
    run = backend.bind(retention.wet_voxels)
    for law, wanted in enumerate((0.25, (0.25 / 0.4)**2, 0.5, 1.0)):
        out = [backend.zeros(g.padded) for _ in range(5)]
        run(g, psi, c, float(law), *out)
        theta, capacity, relative, _, osmosis = (float(a[g.inner].ravel()[0]) for a in out)
        assert np.allclose((theta, capacity, relative, osmosis), (0.25, 0.15, 0.5, wanted),
                           rtol=1e-13)


def test_layers_in_series(backend):
    """Two full voxels of different rock conduct as the harmonic mean says, dry ones far less."""
    g = Grid((1, 1, 2), (1.0, 1.0, 1.0))
    c = np.zeros((len(PARAMETERS), *g.padded))
    c[...] = curve(1, model=1.0, alpha=2.0, n=1.5, saturated=0.4)[:, :, None, None]
    c[1, 3] = 5.0
    c = backend.from_numpy(c)
    k, psi, relative, slope = (backend.zeros(g.padded) for _ in range(4))
    k[g.inner] = 1.0
    full, wet, dry = (backend.zeros((3, *g.padded)) for _ in range(3))
    full[0, 2, 2, 2] = 1.0
    relative[...] = 1.0
    general = backend.from_numpy(retention.general_faces(backend.to_numpy(c)))
    assert general[0, 2:4, 2, 2].tolist() == [1, 1] and not general[2, 2, 2, 2]
    backend.bind(retention.wet_faces)(g, psi, relative, slope, c, general, k, full, wet)
    assert np.isclose(float(wet[0, 2, 2, 2]), 1.0)
    psi[...] = -5.0
    relative[...] = backend.from_numpy(curves.effective(
        backend.to_numpy(psi), backend.to_numpy(c))[2])
    backend.bind(retention.wet_faces)(g, psi, relative, slope, c, general, k, full, dry)
    ends = [float(relative[n, 2, 2]) for n in (2, 3)]
    assert np.isclose(float(dry[0, 2, 2, 2]), 2 * ends[0] * ends[1] / sum(ends), rtol=1e-12)


def test_no_water_is_drawn_from_dry_rock(backend):
    """Mean of both voxels' S_e^2, but at most twice that of the one that the water leaves."""
    g = Grid((2, 1, 1), (1.0, 1.0, 1.0))
    full, found, zero, own = (backend.zeros((3, *g.padded)) for _ in range(4))
    relative = backend.zeros(g.padded)
    for one, two, flow, wanted in ((0.4, 0.6, 1e-3, 0.5), (0.1, 0.7, 1e-3, 0.2), (0.0, 0.7, 1, 0.0),
                                   (0.1, 0.7, -1e-3, 0.4), (0.7, 0.1, -1e-3, 0.2)):
        relative[2, 2, 2:4] = backend.from_numpy(np.array([one, two]))
        full[2, 2, 2, 2] = flow
        backend.bind(retention.wet_osmosis)(g, full, relative, own, zero, 0.0, found)
        assert np.isclose(float(found[2, 2, 2, 2]), wanted * flow, rtol=1e-14)
