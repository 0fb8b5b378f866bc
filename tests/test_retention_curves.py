"""Retention curves: exact values, limits and inverses."""

import numpy as np
import pytest

from ekm3d import retention_curves as curves
from ekm3d.retention_curves import MODELS, PARAMETERS

LOAM = dict(model=1.0, alpha=3.6, n=1.56, residual=0.078, saturated=0.43, connectivity=0.5)


def curve(size, **values):
    """Return a complete curve (parameters, size) of these values."""
    out = np.array([np.full(size, values.get(name, {"n": 2.0, "alpha_2": 1.0, "n_2": 2.0}.get(
        name, 0.0))) for name in PARAMETERS])
    curves.complete(out)
    return out


def test_van_genuchten_and_mualem_by_hand():
    """n = 2, m = 1/2, alpha s = 1: S_e = 2^-1/2, bracket 1 - (1/2)^1/2, K = S^1/2 bracket^2."""
    saturation, slope, relative = curves.effective(
        np.array([-0.5]), curve(1, model=1.0, alpha=2.0, n=2.0, connectivity=0.5))
    assert np.isclose(saturation, 0.5**0.5, rtol=1e-14)
    assert np.isclose(slope, 0.5 * 2 * 0.5 * 0.5**0.5 / 0.5, rtol=1e-14)   # m n x/(1 + x) S/s
    assert np.isclose(relative, 0.5**0.25 * (1 - 0.5**0.5)**2, rtol=1e-13)


@pytest.mark.parametrize("given", [
    LOAM, LOAM | dict(air_entry=0.02), LOAM | dict(alpha_2=0.5, n_2=1.4, share_2=0.4),
    LOAM | dict(model=MODELS["Gardner"]), LOAM | dict(model=MODELS["Brooks-Corey"], n=0.7)])
def test_slopes_inverses_and_limits_of_every_model(given):
    """dS/dpsi is that of differences (second order: 1e-6), the inverse finds the head to 1e-7;
    S and K fall from 1 with suction, and K stays below S."""
    psi = -np.logspace(-1.5, 2.0, 40)
    if given["model"] == MODELS["Brooks-Corey"]:
        psi -= 0.3                                  # beyond the entry at 1/alpha
    c = curve(psi.size, **given)
    saturation, slope, relative = curves.effective(psi, c)
    step = 1e-5 * psi
    numeric = (curves.effective(psi + step, c)[0] - curves.effective(psi - step, c)[0]) / (2 * step)
    assert np.allclose(slope, numeric, rtol=1e-6)
    assert (np.diff(saturation) < 0).all() and (np.diff(relative) < 0).all()
    assert (relative <= saturation * (1 + 1e-12)).all()
    found = curves.pressure_head(curves.water_content(psi, c), c)
    good = saturation > 1e-6
    assert np.allclose(found[good], psi[good], rtol=1e-7)
    assert (slope * (c[4] - c[3]) <= curves.steepest(c) * 1.3 + 1e-12).all()
    full = curves.effective(np.full(psi.size, 0.1), c)
    assert (full[0] == 1).all() and (full[1] == 0).all() and (full[2] == 1).all()


@pytest.mark.parametrize("given", [LOAM, LOAM | dict(air_entry=0.02), LOAM | dict(n=2.7)])
def test_the_slope_of_the_conductivity_is_that_of_differences(given):
    """Second order: 1e-6 of it; 0 in full pores, the fringe and with two modes."""
    psi = -np.logspace(-1.5, 2.0, 40)
    c, step = curve(psi.size, **given), 1e-5 * psi
    numeric = (curves.effective(psi + step, c)[2] - curves.effective(psi - step, c)[2]) / (2 * step)
    assert np.allclose(curves.conductivity_slope(psi, c), numeric, rtol=1e-6)
    full = np.full(psi.size, -0.5 * given.get("air_entry", 0.0))
    assert not curves.conductivity_slope(full, c).any()
    two = curve(psi.size, **given | dict(alpha_2=0.5, n_2=1.4, share_2=0.4))
    assert not curves.conductivity_slope(psi, two).any()


def test_no_pores_hold_and_conduct_nothing():
    saturation, slope, relative = curves.effective(np.array([-1.0, 1.0]), curve(2))
    assert not saturation.any() and not slope.any() and not relative.any()
