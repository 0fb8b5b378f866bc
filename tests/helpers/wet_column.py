"""Row of unsaturated ore in a field that moves its water: electro-osmosis alone, K next to nothing.

What the water does is then the field's integral, and sub-steps have no error of their own.
"""

from pathlib import Path

CASE = """title = "salt in unsaturated ore in a field"
[grid]
size = ["0.8 m", "0.1 m", "0.1 m"]
spacing = "10 cm"
[ore]
porosity = 0.45
water_content = 0.30
tortuosity = 0.67
permeability = "1e-11 m/s"
electroosmotic_permeability = "1e-8 m2/V/s"
[ore.retention]
alpha = "2 1/m"
n = 1.6
residual = 0.06
osmosis = "constant"
tolerance = 1e-4
[chemistry]
database = "package"
components = ["H+", "Na+", "Cl-"]
minerals = []
[water]
composition = { "Na+" = "10 mmol/l", "Cl-" = "10 mmol/l" }
[electrodes]
overpotential = "2.5 V"
contact_resistance = "5 ohm"
catholyte_volume = "0 l"
[[electrodes.row]]
name = "row 1"
plates = [[["0 m", "0 m", "0 m"], ["10 cm", "10 cm", "10 cm"]]]
[[electrodes.row]]
name = "row 2"
plates = [[["0.7 m", "0 m", "0 m"], ["0.8 m", "10 cm", "10 cm"]]]
[schedule]
[[schedule.stage]]
name = "current"
duration = "1 h"
anodes = ["row 1"]
cathodes = ["row 2"]
voltage = "20 V"
"""


def wet_column(folder: Path) -> Path:
    """Write the case into a folder; return it."""
    (folder / "case.toml").write_text(CASE)
    return folder
