"""Resistance along an electrode: the exact line, and charge and energy beside it."""

import numpy as np
import pytest
from helpers.rod_cases import case_text, currents, solved

from ekm3d.diagnostics.energy import energy_error

LENGTH, RADIUS, CONTACT = 22.0, 0.02, 2.0       # m, m, ohm m2
LEAK = 2 * np.pi * RADIUS / CONTACT             # S per m of rod


def line_current(folder, parameter, fed, backend="numpy"):
    """Current of 1 V over a line with L / lambda = parameter, in ore that conducts well."""
    along = parameter ** 2 / (LEAK * LENGTH ** 2)
    rod = "rods = {{ lines = [[[0, {y}, 0.5], [22, {y}, 0.5]]], radius = 0.02{more} }}"
    rows = {"A": f"contact_resistivity = {CONTACT}\n" + rod.format(
                y=0.3, more=f', resistance = {along}, fed = "{fed}"'),
            "C": "contact_resistivity = 1e-6\n" + rod.format(y=0.7, more="")}
    text = case_text((22, 1, 1), (0.25, 0.25, 0.25), rows,
                     'anodes = ["A"]\ncathodes = ["C"]\nvoltage = 1', '"1e6 S/m"')
    return currents(solved(folder, text, backend=backend))["A"]


@pytest.mark.parametrize("fed", ["start", "both"])
@pytest.mark.parametrize("parameter", [0.5, 2.0, 5.55])
def test_a_line_has_the_exact_hyperbolic_current(tmp_path, parameter, fed):
    """I = V g L tanh(x)/x, x = L/lambda, of half the length where both ends are fed.

    g: the contact's leak per length, which is all of the resistance off the line. x = 5.55 carries
    18 % of the ideal current: 22 m of conductive plastic without a metal core. 1 %; pieces of
    0.25 m leave x^2/88^2/12 of it, 5e-4.
    """
    x = parameter if fed == "start" else parameter / 2
    found = line_current(tmp_path, parameter, fed) / (LEAK * LENGTH)
    assert found == pytest.approx(np.tanh(x) / x, rel=1e-3)
    if (parameter, fed) == (5.55, "start"):
        assert found == pytest.approx(0.18, abs=0.001)


ROWS = {"A": "rods = { lines = [[[0.5, 0.3, 0.5], [2.5, 0.33, 0.6]]], radius = 0.01, "
             "resistance = 20 }",
        "C": "rods = { lines = [[[0.5, 0.7, 0.5], [2.5, 0.7, 0.6]]], radius = 0.01, "
             'resistance = 5, fed = "both" }'}
DRIVEN = 'anodes = ["A"]\ncathodes = ["C"]\n'


def test_resistance_along_both_rods_keeps_charge_and_energy(tmp_path, backend):
    """Currents of A and C cancel, and the supply's power is the heat of ore and metal; rounding."""
    text = case_text((3, 1, 1), (0.1, 0.1, 0.1), ROWS, DRIVEN + "voltage = 10")
    sim = solved(tmp_path, text, backend=backend)
    found = currents(sim)
    sim.potential.boundary.finish()
    assert found["A"] == pytest.approx(-found["C"], rel=1e-10)
    assert energy_error(sim) < 1e-9
    ideal = currents(solved(tmp_path, text.replace("resistance = 20", "resistance = 0")))
    assert found["A"] < 0.9 * ideal["A"]


def test_a_current_finds_the_voltage_that_gives_it(tmp_path):
    """The linear system inverted: with the current of 10 V the terminals have 10 V; rounding."""
    text = case_text((3, 1, 1), (0.1, 0.1, 0.1), ROWS, DRIVEN + "voltage = 10")
    amperes = currents(solved(tmp_path, text))["A"]
    back = solved(tmp_path, text.replace("voltage = 10", f"current = {amperes!r}"))
    assert back.boundary_values.terminal_voltage == pytest.approx(10, rel=1e-9)
