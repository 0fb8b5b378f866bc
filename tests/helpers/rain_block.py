"""Block of unsaturated ore under rain: wetted first, then driven, with all kinds of water.

Exchange, minerals, immobile water, electro-osmosis, two rocks, run-off, a leak and evaporation.
"""

from pathlib import Path

CASE = """title = "rain on a block, with chemistry"
[grid]
size = ["0.6 m", "0.3 m", "0.6 m"]
spacing = "10 cm"
[ore]
density = "1500 kg/m3"
porosity = 0.45
water_content = 0.20
tortuosity = 0.67
permeability = "3.5e-6 m/s"
electroosmotic_permeability = "1.5e-8 m2/V/s"
dispersivity = "5 cm"
[ore.retention]
alpha = "2 1/m"
n = 1.6
residual = 0.06
air_entry = "1 cm"
[[ore.retention.region]]
box = [["0 m", "0 m", "0 m"], ["0.6 m", "0.3 m", "0.2 m"]]
alpha = "1 1/m"
n = 1.4
[ore.immobile]
share = 0.2
rate = "1e-5 1/s"
[ore.exchangeable]
"La+3" = "600 mg/kg"
"Al+3" = "300 mg/kg"
[chemistry]
database = "package"
components = ["H+", "NH4+", "Na+", "Al+3", "La+3", "SO4-2", "Cl-", "CO3-2"]
minerals = ["Al(OH)3(a)", "La(OH)3(am)"]
[water]
composition = { "Na+" = "1 mmol/l", "Cl-" = "1 mmol/l" }
[electrodes]
overpotential = "2.5 V"
contact_resistance = "5 ohm"
catholyte_volume = "2 l"
[[electrodes.row]]
name = "row 1"
plates = [[["0 m", "0 m", "0.2 m"], ["10 cm", "30 cm", "60 cm"]]]
[[electrodes.row]]
name = "row 2"
plates = [[["0.5 m", "0 m", "0 m"], ["0.6 m", "30 cm", "60 cm"]]]
[[well]]
name = "leachate"
kind = "collector"
at = "row 2"
head = "0 m"
[[boundary]]
name = "rain"
kind = "rain"
face = "z+"
box = [["0.1 m", "0 m", "0 m"], ["0.45 m", "0.3 m", "0.6 m"]]
rate = "4 cm/h"
ponding = "1 cm"
composition = { "NH4+" = "0.1 mol/l", "SO4-2" = "0.05 mol/l" }
[[boundary]]
name = "below"
kind = "leak"
face = "z-"
head = "-0.3 m"
conductance = "1e-6 1/s"
[[boundary]]
name = "sun"
kind = "evaporation"
face = "x-"
rate = "2 mm/d"
[schedule]
max_step = "10 min"
[[schedule.stage]]
name = "wetting"
duration = "1 h"
boundary = [{ name = "sun", off = true }]
[[schedule.stage]]
name = "current"
duration = "40 min"
anodes = ["row 1"]
cathodes = ["row 2"]
voltage = "20 V"
boundary = [{ name = "rain", rate = "0.5 cm/h", composition = {} }]
[output]
series_every = "20 min"
snapshot_every = "40 min"
"""


def rain_case(folder: Path) -> Path:
    """Write the case into a folder; return it."""
    (folder / "case.toml").write_text(CASE)
    return folder
