"""Overvoltage by Tafel's law within the solution for the potential."""

import numpy as np
import pytest
from helpers.rod_cases import case_text, currents, solved

from ekm3d.boundaries.boundary_faces import ANODE
from ekm3d.diagnostics.energy import energy_error
from ekm3d.physics.overvoltage import Overvoltage

LAW = (0.3, 0.1, 2.0)               # V, V, A/m2
TAFEL = ("[electrodes.tafel]\nanode = { a = 0.3, b = 0.1, current_density = 2 }\n"
         'cathode = { a = "200 mV", b = 0.05, current_density = 0.1 }\n')
ROWS = {name: f"rods = {{ x = {x}, y = 0.5, bottom = 0, top = 1, radius = 0.01 }}"
        for name, x in (("A", 0.4), ("C", 1.6))}


def with_tafel(stage):
    text = case_text((2, 1, 1), (0.1, 0.1, 0.5), ROWS, 'anodes = ["A"]\ncathodes = ["C"]\n' + stage)
    return text.replace("[[electrodes.row]]", TAFEL + "[[electrodes.row]]", 1)


def test_the_law_and_its_tangent_through_the_origin():
    """a + b ln(i/i_0) above i_1 = i_0 exp(1 - a/b), b i/i_1 below; the tangent holds both."""
    law = Overvoltage(np.array([0.5, 0.5]), (LAW, None))
    first = LAW[2] * np.exp(1 - LAW[0] / LAW[1])
    law.start(np.array([ANODE, ANODE]), 0.5 * np.array([3.0, 0.25 * first]), 1.0)
    assert law.eta == pytest.approx([0.3 + 0.1 * np.log(1.5), 0.25 * 0.1])
    assert law.shift + law.slope * 0.5 * np.array([3.0, 0.25 * first]) == pytest.approx(law.eta)


def test_every_face_has_the_overvoltage_of_its_current(tmp_path, backend):
    """Newton's method ends on the law: 1e-8 V, and energy closes with the overvoltage's heat."""
    sim = solved(tmp_path, with_tafel("voltage = 10"), backend=backend)
    boundary, faces = sim.potential.boundary, sim.contacts.faces
    boundary.finish()
    for row, sign, (a, b, i_0) in (("A", 1, LAW), ("C", -1, (0.2, 0.05, 0.1))):
        at = sim.contacts.of_rows([row])
        density = sign * boundary.into_ore[at] / faces.area[at]
        assert sign * boundary.overvoltage.eta[at] == pytest.approx(
            a + b * np.log(density / i_0), abs=1e-8)
    assert energy_error(sim) < 1e-9


def test_averaged_pulses_have_the_overvoltage_of_the_current_while_on(tmp_path):
    """Two thirds of the time on: the mean current is two thirds of that without pulses; 1e-8."""
    steady = currents(solved(tmp_path, with_tafel("voltage = 10")))["A"]
    pulsed = currents(solved(tmp_path, with_tafel("voltage = 10\npulse = { on = 2, off = 1 }")))
    assert pulsed["A"] == pytest.approx(2 / 3 * steady, rel=1e-8)
