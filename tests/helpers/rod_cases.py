"""Cases of a block of given conductivity with rods, as text; and their simulations."""

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
