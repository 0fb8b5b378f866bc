"""Properties of water against handbooks at four temperatures, and Debye-Hueckel's A and B."""

import pytest

from ekm3d.chemistry.water_properties import debye_hueckel, density, permittivity, viscosity


@pytest.mark.parametrize("celsius, rho, eps, eta", [
    (0.0, 999.84, 87.90, 1.792e-3), (10.0, 999.70, 83.96, 1.306e-3),
    (25.0, 997.05, 78.38, 0.890e-3), (50.0, 988.04, 69.88, 0.547e-3)])
def test_water_of_the_handbook(celsius, rho, eps, eta):
    """CRC Handbook: density, permittivity and viscosity of liquid water at 1 atm. The equations
    are fits of their own, so 1e-5, 6e-4 and 2e-3."""
    T = celsius + 273.15
    assert density(T) == pytest.approx(rho, rel=1e-5)
    assert permittivity(T) == pytest.approx(eps, rel=6e-4)
    assert viscosity(T) == pytest.approx(eta, rel=2e-3)


def test_debye_hueckel_coefficients():
    """A 0.5100 and B 0.3285 per angstrom at 25 C, as in PHREEQC (0.51002). By the limiting law A
    goes with rho^1/2 (eps T)^-3/2, B with rho^1/2 (eps T)^-1/2; with the handbook's values at 50 C
    the ratios to 25 C are 1.0480 and 1.0127; 5e-4, as the fit of eps is off by 2e-4 there."""
    A, B = debye_hueckel(298.15)
    assert A == pytest.approx(0.51002, abs=2e-5) and B == pytest.approx(0.3285, abs=1e-4)
    rho, strength = 988.04 / 997.05, (69.88 * 323.15) / (78.38 * 298.15)
    A_50, B_50 = debye_hueckel(323.15)
    assert A_50 / A == pytest.approx(rho**0.5 * strength**-1.5, rel=5e-4)
    assert B_50 / B == pytest.approx(rho**0.5 * strength**-0.5, rel=5e-4)
