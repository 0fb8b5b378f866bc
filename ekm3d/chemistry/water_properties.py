"""Water as a solvent at 1 atm: density, dielectric constant, viscosity, Debye-Hueckel's A and B.

    B = sqrt(8 pi N_A l_B rho)                 [1/m per sqrt(mol/kg)]
    A = B l_B/(2 ln 10)                        [sqrt(kg/mol)]
    l_B = e^2/(4 pi eps_0 eps k T)             [m], the Bjerrum length

Sources: density Kell 1975; dielectric constant Bradley and Pitzer 1979; viscosity Kestin et al.
1978. All hold for liquid water from 0 to 100 C. T in K throughout.
"""

import math

AVOGADRO = 6.02214076e23          # 1/mol
CHARGE_BJERRUM = 1.671008e-5      # e^2/(4 pi eps_0 k), m K
PRESSURE = 1.01325                # bar


def density(T: float) -> float:
    """Return the density [kg/m3] at T [K] (Kell 1975)."""
    t = T - 273.15
    polynomial = 999.83952 + t * (16.945176 + t * (-7.9870401e-3 + t * (
        -46.170461e-6 + t * (105.56302e-9 - 280.54253e-12 * t))))
    return polynomial / (1 + 16.879850e-3 * t)


def permittivity(T: float) -> float:
    """Return the relative permittivity [1] at T [K] (Bradley and Pitzer 1979)."""
    at_1000_bar = 342.79 * math.exp(-5.0866e-3 * T + 9.4690e-7 * T**2)
    C = -2.0525 + 3115.9 / (T - 182.89)
    B = -8032.5 + 4.2142e6 / T + 2.1417 * T
    return at_1000_bar + C * math.log((B + PRESSURE) / (B + 1000.0))


def viscosity(T: float) -> float:
    """Return the viscosity [Pa s] at T [K] (Kestin et al. 1978)."""
    below = 20.0 - (T - 273.15)
    power = below / (116.0 - below) * (1.2364 - 1.37e-3 * below + 5.7e-6 * below**2)
    return 1.002e-3 * 10**power


def debye_hueckel(T: float) -> tuple[float, float]:
    """Return A [sqrt(kg/mol)] and B [sqrt(kg/mol) per angstrom] at T [K]; see the module's text."""
    bjerrum = CHARGE_BJERRUM / (permittivity(T) * T)
    B = math.sqrt(8 * math.pi * AVOGADRO * bjerrum * density(T))
    return B * bjerrum / (2 * math.log(10)), 1e-10 * B
