"""Activity coefficients against the equations of their authors."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.random_systems import BATCH, with_sizes

from ekm3d.chemistry.activity import Activity
from ekm3d.chemistry.equilibrium import EquilibriumSolver

STRENGTHS = np.array([1e-6, 1e-3, 0.1, 0.7, 5.0])


def log_gamma(chem, strength):
    """Return log10 gamma (S, n) as the module gives it."""
    activity = Activity(chem)
    return -(activity.action @ activity.factors(strength)) / np.log(10)


def test_davies():
    """log gamma = -A z^2 (sqrt I/(1 + sqrt I) - 0.3 I) for ions, 0.1 I for neutral species: the
    size 1 and the linear term 0.3 A z^2 say just that."""
    z, root = BATCH.z[:, None], np.sqrt(STRENGTHS)
    ions = -BATCH.debye_A * z**2 * (root / (1 + root) - 0.3 * STRENGTHS)
    expected = np.where(z == 0, 0.1 * STRENGTHS, ions)
    assert log_gamma(BATCH, STRENGTHS) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert Activity(BATCH).action.shape[1] == 2


def test_extended_debye_hueckel(rng):
    """log gamma = -A z^2 sqrt I/(1 + B a sqrt I) + b I, a and b of each species' own."""
    chem = with_sizes(BATCH, rng)
    z, root = chem.z[:, None], np.sqrt(STRENGTHS)
    expected = (-chem.debye_A * z**2 * root / (1 + chem.size[:, None] * root)
                + chem.linear[:, None] * STRENGTHS)
    assert log_gamma(chem, STRENGTHS) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_ideal():
    assert not log_gamma(BATCH.ideal(), STRENGTHS).any()


def test_the_limiting_law_holds_in_dilute_water(rng):
    """Debye and Hueckel: log gamma -> -A z^2 sqrt I whatever the sizes; at I = 1e-6 mol/l within
    3 parts in 1000 of it (B a sqrt I <= 3e-3)."""
    chem = with_sizes(BATCH, rng)
    ions = chem.z != 0
    law = -chem.debye_A * chem.z[ions] ** 2 * 1e-3
    assert log_gamma(chem, STRENGTHS[:1])[ions, 0] == pytest.approx(law, rel=4e-3)


def test_slopes_are_derivatives(rng):
    """d factors/d ln I by central differences, h = 1e-5: 1e-9 left."""
    activity = Activity(with_sizes(BATCH, rng))
    up, down = (activity.factors(STRENGTHS * np.exp(h)) for h in (1e-5, -1e-5))
    assert activity.slopes(STRENGTHS) == pytest.approx((up - down) / 2e-5, rel=1e-8)


def test_solubility_grows_with_ionic_strength_as_gamma_falls():
    """Gypsum in NaCl, no complexes: (gamma c)^2 a_w^2 = K with gamma of the equation itself."""
    K = len(BATCH.components)
    gypsum = BATCH.minerals.index("Gypsum")
    chem = replace(BATCH, species=BATCH.species[:K], z=BATCH.z[:K], nu=BATCH.nu[:K],
                   diffusion=BATCH.diffusion[:K], water=BATCH.water[:K], log_k=BATCH.log_k[:K],
                   size=np.full(K, 1.5), linear=np.full(K, 0.05), minerals=("Gypsum",),
                   nu_m=BATCH.nu_m[[gypsum]], water_m=BATCH.water_m[[gypsum]],
                   log_k_m=BATCH.log_k_m[[gypsum]])
    salt = np.array([0.0, 10.0, 100.0, 400.0])
    total = np.zeros((K, 4))
    total[[chem.components.index(n) for n in ("Na+", "Cl-")]] = salt
    total[[chem.components.index(n) for n in ("Ca+2", "SO4-2")]] = 100.0
    total[chem.hydrogen] = 1e-4
    found = EquilibriumSolver(chem).solve_numpy(total, 1.0)
    c = found.c[chem.components.index("Ca+2")] / 1e3
    root = np.sqrt(found.ionic_strength)
    log = -chem.debye_A * 4 * root / (1 + 1.5 * root) + 0.05 * found.ionic_strength
    log_ion = np.log10(c) + log + np.log10(found.water_activity)
    assert 2 * log_ion == pytest.approx(np.full(4, chem.log_k_m[0]), abs=1e-10)
    assert (np.diff(c) > 0).all()
