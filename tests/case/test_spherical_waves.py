"""Waves of the spherical covariance: their distribution, its inverse, and the covariance they make.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import spherical_jn

from ekm3d.case.spherical_waves import NEAR, distribution, spherical, wave_number


def test_distribution_is_the_integral_of_the_spectrum():
    """6/pi times the integral of j_1^2, by quadrature: 1e-6 where the series stands, else 1e-9."""
    for x, close in ((0.3 * NEAR, 1e-6), (0.999 * NEAR, 1e-6), (1.001 * NEAR, 1e-8), (0.4, 1e-9),
                     (2.0, 1e-9), (30.0, 1e-9)):
        whole = 6 / np.pi * quad(lambda t: spherical_jn(1, t)**2, 0.0, x, limit=500,
                                 epsabs=1e-15, epsrel=1e-12)[0]
        assert distribution(x) == pytest.approx(whole, rel=close)


def test_wave_numbers_are_the_inverse_of_the_distribution():
    """To rounding of F over its slope: shares of 1e-9 to 1 - 1e-6."""
    shares = np.concatenate([np.logspace(-9, -1, 30), np.linspace(0.11, 0.999, 50), [1 - 1e-6]])
    np.testing.assert_allclose(distribution(wave_number(shares) / 2), shares, rtol=1e-6)
    assert (np.diff(wave_number(shares)) > 0).all()


def test_waves_at_all_shares_make_the_spherical_covariance():
    """Mean of sin(kh)/(kh), a wave's covariance over all its directions, at 20,000 equal shares.

    The tail beyond the last share is cut, which costs 1/20,000 at most; so much is asked.
    """
    k = wave_number((np.arange(20_000) + 0.5) / 20_000)
    for h in (0.02, 0.1, 0.5, 0.9, 1.5):
        exact = 1 - 1.5 * h + 0.5 * h**3 if h < 1 else 0.0
        assert np.sinc(k * h / np.pi).mean() == pytest.approx(exact, abs=5e-5)


def test_the_model_of_gstools_scales_with_its_length():
    """Lengths of 4 m: wave numbers a quarter of those of 1 m, and the same covariance as before."""
    gs = pytest.importorskip("gstools", reason="pip install 'ekm3d[geo]'")
    model = spherical()(dim=3, var=2.0, len_scale=4.0, rescale=1.0)
    shares = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(model.spectral_rad_ppf(shares), wave_number(shares) / 4)
    np.testing.assert_allclose(model.spectral_rad_cdf(wave_number(shares) / 4), shares, rtol=1e-9)
    own = gs.Spherical(dim=3, var=2.0, len_scale=4.0)
    places = np.linspace(0.0, 5.0, 11)
    np.testing.assert_array_equal(model.covariance(places), own.covariance(places))
