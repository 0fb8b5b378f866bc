"""Waves of random fields with a spherical covariance: their spectrum in closed form.

The spherical covariance is the overlap of two balls of diameter a, so that its spectrum is the
square of a ball's: with x = k a / 2 the wave number k has the density j_1(x)^2 (times 6/pi in x),
j_1 the spherical Bessel function, and the distribution

    F = 6/pi (Si(2x)/3 + 2 cos(2x)/(3x) - cos(x)^2/x + sin(2x)/(3x^2) - sin(x)^2/(3x^3))

whose end falls as slowly as 3/(pi x): three of ten waves are shorter than the range. GSTools draws
them by a Markov chain of few steps, which gets lost there; with the inverse of F each is drawn by
itself.
"""

from functools import cache
from typing import Any

import numpy as np

from ekm3d.case.block_files import package

LOW, HIGH = 1e-6, 1e18      # x between which F is inverted: F is 1e-19 and 1 there
HALVINGS = 80               # of the interval in ln x
NEAR = 0.05                 # x below which F is taken from its series: its terms cancel


def distribution(x: Any) -> Any:
    """Return F at half wave numbers times the range x > 0 [1]."""
    from scipy.special import sici  # imported here: few cases need it

    x = np.asarray(x, float)
    small = x**3 / 27.0 * (1.0 - 0.12 * x**2)       # of j_1 = x/3 (1 - x^2/10 + ...)
    far = np.maximum(x, NEAR)
    whole = (sici(2 * far)[0] / 3 + 2 * np.cos(2 * far) / (3 * far) - np.cos(far)**2 / far
             + np.sin(2 * far) / (3 * far**2) - np.sin(far)**2 / (3 * far**3))
    return 6.0 / np.pi * np.where(x < NEAR, small, whole)


def wave_number(share: Any) -> Any:
    """Return the wave numbers, times the range, below which shares (n,) of the waves lie."""
    share = np.asarray(share, float)
    low, high = np.full(share.shape, np.log(LOW)), np.full(share.shape, np.log(HIGH))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        below = distribution(np.exp(middle)) < share
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 2.0 * np.exp(0.5 * (low + high))


@cache
def spherical() -> Any:
    """Return GSTools' class of the spherical model, with F and its inverse; in 3D."""
    gs = package("gstools", "gstools", "a variogram")

    class Spherical(gs.Spherical):      # type: ignore[misc, name-defined]
        """Spherical covariance whose waves are drawn one by one."""

        def spectral_rad_cdf(self, r: Any) -> Any:
            """Return the share of waves below wave numbers r [1/m]."""
            return distribution(0.5 * np.asarray(r) * self.len_rescaled)

        def spectral_rad_ppf(self, u: Any) -> Any:
            """Return the wave numbers [1/m] below which shares u of the waves lie."""
            return wave_number(u) / self.len_rescaled

    return Spherical
