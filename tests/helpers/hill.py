"""Hillside of unsaturated ore under rain: topography, two rock types, two plates in the ground."""

from pathlib import Path

CASE = """title = "hillside"
[grid]
size = ["6 m", "1.5 m", "4 m"]
spacing = "0.5 m"
[surfaces.top]
formula = "3.6 - 0.4*x"
[shapes.hill]
below = "top"
[ore]
active = "hill"
density = "1500 kg/m3"
porosity = 0.45
water_content = 0.30
tortuosity = 0.67
permeability = "1e-6 m/s"
electroosmotic_permeability = "2e-9 m2/V/s"
[ore.retention]
alpha = "2 1/m"
n = 1.8
residual = 0.05
[ore.exchangeable]
"La+3" = "300 mg/kg"
[rocks.laterite]
shape = { between = [{ formula = "1.5 - 0.1*x" }, "top"] }
porosity = 0.42
permeability = "5e-6 m/s"
retention = { alpha = "3 1/m", n = 2.0 }
exchangeable = { "La+3" = "100 mg/kg" }
[chemistry]
database = "package"
components = ["La+3", "NH4+", "SO4-2", "H+"]
minerals = []
[water]
composition = { "NH4+" = "2 mmol/l", "SO4-2" = "1 mmol/l" }
[[boundary]]
name = "rain"
kind = "rain"
face = "z+"
rate = "40 mm/h"
composition = { "NH4+" = "20 mmol/l", "SO4-2" = "10 mmol/l" }
[[boundary]]
name = "foot"
kind = "seepage"
face = "z+"
box = [["4 m", "0 m", "0 m"], ["6 m", "1.5 m", "2.1 m"]]
[[boundary]]
name = "rock"
kind = "drainage"
face = "z-"
[electrodes]
overpotential = "2.5 V"
contact_resistance = "5 ohm"
catholyte_volume = "2 l"
[[electrodes.row]]
name = "up"
plates = [[["0.5 m", "0 m", "0.5 m"], ["1 m", "0.5 m", "3 m"]]]
[[electrodes.row]]
name = "down"
plates = [[["4 m", "0 m", "0 m"], ["4.5 m", "0.5 m", "1.5 m"]]]
[[probe]]
name = "middle"
position = ["2.2 m", "0.7 m", "1.2 m"]
[schedule]
max_step = "20 min"
[[schedule.stage]]
name = "rain and current"
duration = "4 h"
anodes = ["up"]
cathodes = ["down"]
voltage = "30 V"
[output]
snapshot_every = "2 h"
series_every = "1 h"
"""
SHORT = ("schedule.stage.0.duration=40 min", "output.series_every=20 min",
         "output.snapshot_every=20 min")

# Edits of the case: ore in the first 2 of 6 m, so that the last of three boxes along x has none.
FAR_AIR = (('active = "hill"', 'active = { intersection = ["hill", { box = '
            '[["0 m", "0 m", "0 m"], ["2 m", "1.5 m", "4 m"]] }] }'),
           ('[["4 m", "0 m", "0 m"], ["6 m", "1.5 m", "2.1 m"]]',
            '[["0 m", "0 m", "0 m"], ["6 m", "1.5 m", "3.1 m"]]'),
           ('[[["4 m", "0 m", "0 m"], ["4.5 m", "0.5 m", "1.5 m"]]]',
            '[[["1.5 m", "1 m", "0 m"], ["2 m", "1.5 m", "1.5 m"]]]'),
           ('["2.2 m", "0.7 m", "1.2 m"]', '["1.2 m", "0.7 m", "1.2 m"]'))


def hill_case(folder, *edits):
    """Return the directory of the case below `folder`, with (old, new) edits of its text."""
    text = CASE
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the case"
        text = text.replace(old, new)
    case = Path(folder) / "hill"
    case.mkdir(exist_ok=True)
    (case / "case.toml").write_text(text)
    return case
