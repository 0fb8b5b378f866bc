"""Variograms, kriging and simulation: by hand, against GSTools' own kriging, and by statistics."""

import numpy as np
import pytest

from ekm3d.case.interpolation import between
from ekm3d.case.schema_ore_files import Interpolation, VariogramEntry
from ekm3d.case.variogram import Kriging, Variogram, axes_of, simulated, variogram

pytestmark = pytest.mark.usefixtures("gs")
EYE = np.eye(3)


@pytest.fixture(scope="module")
def gs():
    """GSTools, imported by the worker that needs it: it takes a second."""
    return pytest.importorskip("gstools", reason="pip install 'ekm3d[geo]'")


def entry(**keys):
    return VariogramEntry.model_validate(keys)


def test_kriging_of_two_samples_by_hand():
    """Samples 0 and 1 at 0 and 2 m, spherical of range 4 m; a place at 0.5 m.

    C(h) = 1 - 1.5 h/4 + 0.5 (h/4)^3: C(2) = 0.3125, C(0.5) = 0.8134765625, C(1.5) = 0.4638671875.
    Ordinary kriging: w2 = (1 - (C(0.5) - C(1.5)) / (1 - C(2))) / 2 = 0.24573863636...
    """
    model = variogram(entry(model="spherical", range="4 m"), np.zeros((2, 3)), np.zeros(2))
    points = np.array([[0.0, 0, 0], [2.0, 0, 0]])
    kriging = Kriging(model, points, np.array([0.0, 1.0]))
    found, spread = kriging.at_places(np.array([[0.5, 0, 0]]), True)
    weight = 0.5 * (1 - (0.8134765625 - 0.4638671875) / (1 - 0.3125))
    assert found == pytest.approx([weight], abs=1e-11)
    c, k = np.array([0.8134765625, 0.4638671875]), np.array([[1, 0.3125], [0.3125, 1]])
    assert spread == pytest.approx([1 - c @ np.linalg.solve(k, c)], abs=1e-11)
    assert kriging.at_places(points)[0] == pytest.approx([0, 1], abs=1e-11)


@pytest.mark.parametrize("name, at_range", [("spherical", 1.0), ("exponential", 1 - np.exp(-3)),
                                            ("gaussian", 1 - np.exp(-3))])
def test_ranges_are_practical_ones(name, at_range):
    """The variogram at its range, as GSLIB has it; along every axis."""
    model = Variogram(name, (30.0, 20.0, 5.0), axes_of(30.0, 0.0), 0.0, 1.0)
    for n in range(3):
        reduced = model.reduced(model.axes[n:n + 1] * model.ranges[n])
        gamma = model.gstools().variogram(np.linalg.norm(reduced, axis=1))
        assert gamma == pytest.approx([at_range], abs=1e-12)


def test_axes_follow_the_azimuth():
    """90: along x, y, z. 0: along y. 45 dipping 30: down to the north-east."""
    np.testing.assert_array_equal(axes_of(90.0, 0.0), EYE)
    np.testing.assert_allclose(axes_of(0.0, 0.0)[0], [0, 1, 0], atol=1e-15)
    assert axes_of(45.0, 30.0)[0] == pytest.approx([0.75**0.5 * 0.5**0.5] * 2 + [-0.5])
    np.testing.assert_allclose(axes_of(50.0, 20.0) @ axes_of(50.0, 20.0).T, EYE, atol=1e-15)


def test_kriging_with_anisotropy_is_that_of_gstools(rng, gs):
    """80 samples, azimuth 30, ranges 30, 20, 6 m, a nugget of 0.1: 1e-10 of gs.krige.

    GSTools inverts the same matrix in another way, so that rounding differs.
    """
    points, values = rng.uniform(0, [60, 40, 10], (80, 3)), rng.normal(0, 1, 80)
    model = variogram(entry(model="exponential", range=["30 m", "20 m", "6 m"], azimuth=30.0,
                            nugget=0.1), points, values)
    own = gs.Exponential(dim=3, var=0.9, nugget=0.1, len_scale=30, rescale=3.0,
                         anis=[20 / 30, 6 / 30], angles=[np.radians(60), 0, 0])
    ordinary = gs.krige.Ordinary(own, points.T, values)
    places = rng.uniform(0, [60, 40, 10], (300, 3))
    found, spread = Kriging(model, points, values).at_places(places, True)
    np.testing.assert_allclose(found, ordinary(places.T)[0], atol=1e-10)
    simple = gs.krige.Simple(own, points.T, values, mean=ordinary.get_mean())
    np.testing.assert_allclose(spread, simple(places.T)[1] - 0.1, atol=1e-10)


def test_fitted_variogram_finds_the_ranges_of_a_field(gs):
    """100 holes 15 m apart with 12 samples each, of a field with ranges of 30, 30, 6 m.

    The exponential's practical range within a third, from one realisation of 5 ranges' extent;
    with the ratios given, and with a fit of each axis. A wrong unit or axis would be a factor.
    """
    holes = np.meshgrid(np.arange(0, 150, 15.0), np.arange(0, 150, 15.0), np.arange(0, 12, 1.0))
    points = np.stack([g.reshape(-1) for g in holes], 1)
    points += np.random.default_rng(5).uniform(-0.2, 0.2, points.shape)
    own = gs.Exponential(dim=3, var=1, len_scale=[30, 30, 6], rescale=3.0)
    values = gs.SRF(own, seed=12)(points.T)
    values = (values - values.mean()) / values.std()
    for ratios in ([1.0, 1.0, 0.2], "fitted"):
        found = variogram(entry(model="exponential", ratios=ratios), points, values)
        assert found.fitted and found.ranges == pytest.approx((30, 30, 6), rel=1 / 3)
        assert found.nugget < 0.2 and found.sill == pytest.approx(1)
    with pytest.raises(ValueError, match="all samples lie in one plane"):
        variogram(entry(ratios="fitted"), points * [1, 1, 0], values)


def test_too_few_samples_have_no_fitted_variogram(rng):
    with pytest.raises(ValueError, match="9 samples are too few to fit a variogram"):
        variogram(entry(), rng.uniform(0, 1, (9, 3)), rng.normal(size=9))


@pytest.mark.parametrize("name, exact", [
    ("spherical", [0.0749375, 0.1495, 0.2233125]),
    ("exponential", 1 - np.exp(-0.15 * np.array([1, 2, 3]))),
    ("gaussian", 1 - np.exp(-0.0075 * np.array([1, 4, 9])))])
def test_a_field_is_as_smooth_as_its_variogram_between_neighbours(name, exact):
    """Range of 10 m in voxels of 0.5 m: half the mean square between voxels 1, 2 and 3 apart.

    Ten realisations at 400 places 3 ranges apart. A wave has 1 - cos(k h) of it, between 0 and 2:
    of 10 x 1000 waves its mean is known to sqrt(2 gamma / 10,000) at most, and that of 4000 squares
    of normal numbers to 2.3 %; four of both. GSTools' Markov chain gave 0.33, 0.37 and 0.42 of the
    spherical model, and of the exponential one 0.122 for 0.139.
    """
    model = Variogram(name, (10.0, 10.0, 10.0), EYE, 0.0, 1.0)
    far = np.stack(np.meshgrid(*[np.arange(1000.0, 1240.0, 30.0)] * 3), -1).reshape(-1, 3)[:400]
    beside = [far + [0.5 * n, 0, 0] for n in (0, 1, 2, 3)]
    found = np.array([simulated(model, np.zeros((1, 3)), np.zeros(1), np.concatenate(beside),
                                (n, 7)) for n in range(10)]).reshape(10, 4, 400)
    gamma = 0.5 * ((found[:, 1:] - found[:, :1])**2).mean(axis=(0, 2))
    exact = np.array(exact)
    assert (np.abs(gamma - exact) < 4 * np.hypot((2e-4 * exact)**0.5, 0.023 * exact)).all(), gamma


@pytest.mark.parametrize("count", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_simulation_has_the_mean_and_the_variogram_of_its_model(count):
    """10 realisations far from one sample: mean 0, variance 1, variogram at half the range.

    Places are 3 ranges apart, so that 400 x 10 values count as independent: the mean scatters by
    1/63 (bound 4 of it), the variance by sqrt(2)/63; the randomisation adds some 1/sqrt(1000 x
    10) of bias, below both. Half of that with 40 realisations.
    """
    model = Variogram("exponential", (10.0, 10.0, 10.0), EYE, 0.0, 1.0)
    far = np.stack(np.meshgrid(*[np.arange(1000.0, 1240.0, 30.0)] * 3), -1).reshape(-1, 3)[:400]
    pairs = np.concatenate([far, far + [5.0, 0, 0]])
    point = np.zeros((1, 3))
    found = np.array([simulated(model, point, np.zeros(1), pairs, (n, 7)) for n in range(count)])
    scatter = 1 / (400 * count)**0.5
    assert abs(found.mean()) < 4 * scatter and abs(found.var() - 1) < 4 * 2**0.5 * scatter
    gamma = 0.5 * ((found[:, :400] - found[:, 400:])**2).mean()
    assert gamma == pytest.approx(1 - np.exp(-1.5), abs=0.05)


@pytest.mark.parametrize("name, law", [
    ("exponential", lambda h: np.exp(-3.0 * h)),
    ("spherical", lambda h: np.where(h < 1, 1 - 1.5 * h + 0.5 * h**3, 0.0))])
def test_simulation_has_mean_and_covariance_of_simple_kriging(name, law):
    """400 draws at places near three samples: what sequential simulation draws from.

    Places 1 to 16 m from samples of a range of 20 m with a nugget; the mean of 0 is known. Four
    realisations at 100 copies of these places, 50 ranges apart. Means scatter by s/20, covariances
    by s_a s_b sqrt(2/400) at most; four of that. GSTools' own waves of the spherical model had
    0.43 for the variance of 0.24 at 1 m from a sample.
    """
    model = Variogram(name, (20.0, 20.0, 20.0), EYE, 0.2, 1.0)
    points = np.array([[0.0, 0, 0], [12.0, 0, 0], [5.0, 9.0, 0]])
    values = np.array([1.5, -1.0, 0.5])
    places = np.array([[1.0, 0, 0], [6.0, 2.0, 0], [10.0, 5.0, 3.0], [8.0, -9.0, 4.0]])
    apart = 1000.0 * np.stack(np.meshgrid(*[np.arange(10.0)] * 2, [0.0]), -1).reshape(-1, 1, 3)
    found = np.concatenate([simulated(
        model, (apart + points).reshape(-1, 3), np.tile(values, 100),
        (apart + places).reshape(-1, 3), (n, 3)).reshape(100, 4) for n in range(4)])
    away = np.linalg.norm(np.concatenate([points, places])[:, None]
                          - np.concatenate([points, places])[None], axis=-1) / 20.0
    whole = 0.8 * law(away)
    weights = np.linalg.solve(whole[:3, :3] + 0.2 * np.eye(3), whole[:3, 3:])
    mean, covariance = weights.T @ values, whole[3:, 3:] - weights.T @ whole[:3, 3:]
    spread = np.sqrt(np.diag(covariance))
    assert (np.abs(found.mean(0) - mean) < 4 * spread / 20).all()
    scatter = 4 * np.outer(spread, spread) * (2 / 400)**0.5
    assert (np.abs(np.cov(found.T) - covariance) < scatter).all()


def test_simulation_honours_samples_and_its_seed(rng):
    """Exact at the samples without nugget, the same at a place whatever else is asked for."""
    points, values = rng.uniform(0, 30, (25, 3)), rng.normal(0, 1, 25)
    model = Variogram("spherical", (20.0, 20.0, 5.0), axes_of(30.0, 0.0), 0.0, 1.0)
    assert simulated(model, points, values, points, (3, 1)) == pytest.approx(values, abs=1e-8)
    places = rng.uniform(0, 30, (500, 3))
    one = simulated(model, points, values, places, (3, 1))
    np.testing.assert_array_equal(simulated(model, points, values, places[::-3], (3, 1)),
                                  one[::-3])
    assert abs(simulated(model, points, values, places, (4, 1)) - one).max() > 0.5


def test_parts_are_simulated_together_and_stay_positive(rng):
    """LREE and HREE that are correlated by 0.9 in the samples are so between them."""
    points = rng.uniform(0, 40, (60, 3))
    both = rng.normal(0, 1, (60, 1)) + 0.3 * rng.normal(0, 1, (60, 2))
    values = 5e-4 * np.exp(both)
    spec = Interpolation.model_validate({"parts": ["L", "H"], "variogram": {"range": "10 m"}})
    places = rng.uniform(0, 40, (800, 3))
    found = between(points, values, spec, places, ["L", "H"], 5).values
    assert (found > 0).all()
    assert np.corrcoef(np.log(found).T)[0, 1] > 0.8
    again = between(points, values, spec, places[:10], ["L", "H"], 5).values
    np.testing.assert_array_equal(again, found[:10])


def test_what_cannot_be_interpolated_is_told(rng):
    points, values = rng.uniform(0, 1, (12, 3)), rng.uniform(1, 2, (12, 1))
    spec = Interpolation.model_validate({"variogram": {"range": "1 m"}})
    with pytest.raises(ValueError, match='add transform = "log"'):
        between(points, values, spec, points, ["a"], 1)
    with pytest.raises(ValueError, match="two samples lie at"):
        between(points[[0, 0]], values[:2], spec, points, ["a"], 0)
    with pytest.raises(ValueError, match="5000 samples are more than the 4000"):
        Kriging(Variogram("spherical", (1.0,) * 3, EYE, 0.0, 1.0), np.zeros((5000, 3)),
                np.zeros(5000))
