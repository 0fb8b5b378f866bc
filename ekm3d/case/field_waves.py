"""Waves of random fields with a spherical or an exponential covariance: spectra in closed form.

The spherical covariance is the overlap of two balls of diameter a, so that its spectrum is the
square of a ball's: with x = k a / 2 the wave number k has the density j_1(x)^2 (times 6/pi in x),
j_1 the spherical Bessel function. That of exp(-h/b) is t^2/(1 + t^2)^2 (times 4/pi), t = k b.

    F = 6/pi (Si(2x)/3 + 2 cos(2x)/(3x) - cos(x)^2/x + sin(2x)/(3x^2) - sin(x)^2/(3x^3))  spherical
    F = 2/pi (arctan t - t/(1 + t^2))                                                   exponential

are their distributions, whose ends fall as slowly as 1/k: three of ten waves of the spherical model
are shorter than its range. GSTools draws them by a Markov chain of few steps, which gets lost there
or does not get there; with the inverse of F each is drawn by itself.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ekm3d.case.block_files import package

LOW, HIGH = 1e-6, 1e18      # between which F is inverted: F is below 1e-18 and 1 there
HALVINGS = 80               # of the interval in the logarithm
NEAR = 0.05                 # below which F is taken from its series: its terms cancel


def spherical(x: Any) -> Any:
    """Return F of the spherical covariance at half wave numbers times the range, x > 0 [1]."""
    from scipy.special import sici  # imported here: few cases need it

    x = np.asarray(x, float)
    small = x**3 / 27.0 * (1.0 - 0.12 * x**2)       # of j_1 = x/3 (1 - x^2/10 + ...)
    far = np.maximum(x, NEAR)
    whole = (sici(2 * far)[0] / 3 + 2 * np.cos(2 * far) / (3 * far) - np.cos(far)**2 / far
             + np.sin(2 * far) / (3 * far**2) - np.sin(far)**2 / (3 * far**3))
    return 6.0 / np.pi * np.where(x < NEAR, small, whole)


def exponential(t: Any) -> Any:
    """Return F of exp(-h/b) at wave numbers times b, t > 0 [1]."""
    t = np.asarray(t, float)
    far = np.maximum(t, NEAR)
    small = 2.0 * t**3 / 3.0 * (1.0 - 1.2 * t**2)   # of t^2 (1 - 2 t^2 + ...)
    return 2.0 / np.pi * np.where(t < NEAR, small, np.arctan(far) - far / (1.0 + far**2))


def inverse(distribution: Callable[[Any], Any], share: Any) -> Any:
    """Return where a distribution F of x > 0 has the shares (n,)."""
    share = np.asarray(share, float)
    low, high = np.full(share.shape, np.log(LOW)), np.full(share.shape, np.log(HIGH))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = distribution(np.exp(middle)) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.exp(0.5 * (low + high))


@cache
def model(name: str) -> Any:
    """Return GSTools' class "Spherical" or "Exponential" with F and its inverse; in 3D."""
    gs = package("gstools", "gstools", "a variogram")
    law, scale = {"Spherical": (spherical, 0.5), "Exponential": (exponential, 1.0)}[name]

    class WithWaves(getattr(gs, name)):     # type: ignore[misc]
        """Covariance whose waves are drawn one by one."""

        def spectral_rad_cdf(self, r: Any) -> Any:
            """Return the share of waves below wave numbers r [1/m]."""
            return law(scale * np.asarray(r) * self.len_rescaled)

        def spectral_rad_ppf(self, u: Any) -> Any:
            """Return the wave numbers [1/m] below which shares u of the waves lie."""
            return inverse(law, u) / (scale * self.len_rescaled)

        def _has_cdf(self) -> bool:
            return True

        def _has_ppf(self) -> bool:
            return True

    return WithWaves
