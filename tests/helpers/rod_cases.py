"""Cases of a block of given conductivity with rods, as text; and their simulations."""

from helpers.case_files import ROOT, copy

from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation

HEAD = """
title = "rods"
[physics]
flow = false
transport = false
chemistry = false
[grid]
size = {size}
spacing = {spacing}
[ore]
porosity = 1.0
water_content = 1.0
tortuosity = 1.0
conductivity = {conductivity}
[chemistry.inline]
activity = {{ model = "ideal", water_activity = 0.0 }}
mobility = {{ model = "sqrt", coefficient = 0.0 }}
component = [
  {{ name = "Na+", charge = 1, molar_mass = 22.99, diffusion = 1.33e-09, source = "test" }},
  {{ name = "Cl-", charge = -1, molar_mass = 35.45, diffusion = 2.03e-09, source = "test" }},
]
[electrodes]
overpotential = "{overpotential} V"
contact_resistance = "0 ohm"
catholyte_volume = "0 l"
"""


def case_text(size, spacing, rows, stage, conductivity='"0.1 S/m"', overpotential=0.0):
    """Return case.toml; rows: {name: text of its other keys}; stage: keys of one stage of 1 h."""
    text = HEAD.format(size=list(size), spacing=list(spacing), conductivity=conductivity,
                       overpotential=overpotential)
    for name, keys in rows.items():
        text += f'[[electrodes.row]]\nname = "{name}"\n{keys}\n'
    return text + ('[schedule]\nmax_step = "1 h"\n[[schedule.stage]]\nname = "run"\n'
                   f'duration = "1 h"\n{stage}\n')


def read(folder, text, *overrides):
    """Return the Case of a text."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "case.toml").write_text(text)
    return Case.read(folder, overrides)


def solved(folder, text, *overrides, backend="numpy"):
    """Return the Simulation of a text after its first solution."""
    sim = Simulation(read(folder, text, *overrides), backend)
    sim.fields()
    return sim


def currents(sim):
    """Return {row: current into the ore [A]}."""
    return dict(zip(sim.electrodes.rows, sim.boundary_values.row_currents().tolist(), strict=True))


ROD_ROWS = """
[electrodes.tafel]
anode = { a = "0.3 V", b = "0.05 V", current_density = "1 A/m2" }

[[electrodes.row]]
name = "left"
rods = { lines = [[[0.05, 0.07, 0.8], [0.12, 0.2, 0.3]], [[0.05, 0.4, 0.8], [0.05, 0.4, 0.35]]], \
radius = "5 mm", resistance = 40 }
ageing = { charge = "1e-4 m2/C", time = "0.5 1/d" }

[[electrodes.row]]
name = "right"
rods = { x = 0.55, y = 0.22, bottom = 0.2, top = 0.8, width = "5 cm", thickness = "2 mm" }
contact_resistance = "9 ohm"
catholyte_volume = "1 l"

[[electrodes.row]]
name = "middle"
rods = { lines = [[[0.3, 0.05, 0.1], [0.3, 0.4, 0.1]]], radius = "2 mm" }

"""
SUPPLIES = ('schedule.stage.0.supply=[{name="main", anodes=["left"], cathodes=["right"], '
            'voltage="20 V", current="0.25 A", power="4 W"}]')


def rod_case(folder, supplies=False):
    """Return a copy of tests/data/case_salt with rods: oblique, resisting, ageing, with a tank."""
    case = copy(folder, ROOT / "tests" / "data" / "case_salt")
    text = (case / "case.toml").read_text()
    begin, end = text.index("[[electrodes.row]]"), text.index("[[well]]")
    text = text[:begin] + ROD_ROWS.lstrip() + text[end:]
    if supplies:
        driven = 'anodes = ["left"]\ncathodes = ["right"]\nvoltage = "20 V"\n'
        assert driven in text
        text = text.replace(driven, "")
    (case / "case.toml").write_text(text)
    return case
