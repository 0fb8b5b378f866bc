"""Physical constants (CODATA 2018), and RT/F at the reference temperature of 25 C.

At another temperature T of a case potentials enter the products F/(RT) phi times 298.15 K / T.
"""

FARADAY = 96485.33212          # C/mol
GAS_CONSTANT = 8.314462618     # J/mol/K
TEMPERATURE = 298.15           # K
ZERO_CELSIUS = 273.15          # K
STANDARD_ATMOSPHERE = 101325.0   # Pa

RT_F = GAS_CONSTANT * TEMPERATURE / FARADAY   # thermal voltage, V (25.69 mV)
F_RT = 1.0 / RT_F                             # 1/V

HOUR = 3600.0                  # s
KWH = 3.6e6                    # J
MOLAR_MASS_N = 14.007          # g/mol
NEGLIGIBLE = 1e-9              # share of a component that its ledger may err by, see `audits`

# For every kernel (`backends.kernel_constants`).
KERNEL_CONSTANTS = {"FARADAY": FARADAY, "RT_F": RT_F, "F_RT": F_RT}
