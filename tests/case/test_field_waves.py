"""Waves of random fields: their distributions, the inverse, and the covariance that they make."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import spherical_jn

from ekm3d.case.field_waves import NEAR, exponential, inverse, model, spherical

LAWS = {"Spherical": (spherical, 0.5, lambda x: 6 / np.pi * spherical_jn(1, x)**2,
                      lambda h: 1 - 1.5 * h + 0.5 * h**3 if h < 1 else 0.0),
        "Exponential": (exponential, 1.0, lambda t: 4 / np.pi * (t / (1 + t * t))**2,
                        lambda h: np.exp(-h))}
both = pytest.mark.parametrize("name", LAWS)


@both
def test_distribution_is_the_integral_of_the_spectrum(name):
    """By quadrature: 1e-4 where the series stands (x^4 is left out of it), else 1e-8."""
    law, _, density, _ = LAWS[name]
    for x, close in ((0.3 * NEAR, 1e-4), (0.999 * NEAR, 1e-4), (1.001 * NEAR, 1e-8), (0.4, 1e-8),
                     (2.0, 1e-9), (30.0, 1e-9)):
        whole = quad(density, 0.0, x, limit=500, epsabs=1e-15, epsrel=1e-12)[0]
        assert law(x) == pytest.approx(whole, rel=close)


@both
def test_wave_numbers_are_the_inverse_of_the_distribution(name):
    """Shares of 1e-9 to 1 - 1e-6, found again to 1e-6; they grow with the share."""
    shares = np.concatenate([np.logspace(-9, -1, 30), np.linspace(0.11, 0.999, 50), [1 - 1e-6]])
    found = inverse(LAWS[name][0], shares)
    np.testing.assert_allclose(LAWS[name][0](found), shares, rtol=1e-6)
    assert (np.diff(found) > 0).all()


@both
def test_waves_at_all_shares_make_the_covariance(name):
    """Mean of sin(kh)/(kh), a wave's covariance over all its directions, at 20,000 equal shares.

    The tail beyond the last share is cut, which costs 1/20,000 at most; so much is asked.
    """
    law, scale, _, covariance = LAWS[name]
    k = inverse(law, (np.arange(20_000) + 0.5) / 20_000) / scale
    for h in (0.02, 0.1, 0.5, 0.9, 1.5):
        assert np.sinc(k * h / np.pi).mean() == pytest.approx(covariance(h), abs=5e-5)


@both
def test_the_model_of_gstools_scales_with_its_length(name):
    """Lengths of 4 m, rescaled by 3: the same covariance as before, wave numbers 3/4 of 1 m's.

    They are drawn by the inverse, not by a chain.
    """
    gs = pytest.importorskip("gstools", reason="pip install 'ekm3d[geo]'")
    law, scale, *_ = LAWS[name]
    own = model(name)(dim=3, var=2.0, len_scale=4.0, rescale=3.0)
    shares = np.array([0.1, 0.5, 0.9])
    k = 0.75 * inverse(law, shares) / scale
    np.testing.assert_allclose(own.spectral_rad_ppf(shares), k)
    np.testing.assert_allclose(own.spectral_rad_cdf(k), shares, rtol=1e-9)
    assert own.has_ppf and own.has_cdf
    other = getattr(gs, name)(dim=3, var=2.0, len_scale=4.0, rescale=3.0)
    places = np.linspace(0.0, 5.0, 11)
    np.testing.assert_array_equal(own.covariance(places), other.covariance(places))
