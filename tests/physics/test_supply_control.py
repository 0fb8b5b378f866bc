"""Several supplies: isolation, shared terminals, the limit that rules each."""

import pytest
from helpers.rod_cases import case_text, currents, solved

from ekm3d.diagnostics.energy import energy_error

ROWS = {name: f"rods = {{ x = {x}, y = {y}, bottom = 0.2, top = 1, radius = 0.01 }}"
        for name, x, y in (("A", 0.35, 0.4), ("B", 0.35, 1.6), ("C", 1.65, 0.45),
                           ("D", 1.65, 1.5))}


def supply(name, anodes, cathodes, limits):
    return (f'[[schedule.stage.supply]]\nname = "{name}"\nanodes = ["{anodes}"]\n'
            f'cathodes = ["{cathodes}"]\n{limits}\n')


def run(folder, *supplies, stage=""):
    """Return (simulation, currents of rows, {supply: (V, A)})."""
    sim = solved(folder, case_text((2, 2, 1), (0.1, 0.1, 0.2), ROWS, stage + "".join(supplies),
                                   overpotential=1.0))
    sim.potential.boundary.finish()
    return sim, currents(sim), sim.boundary_values.supplies


def test_one_supply_is_the_supply_of_a_stage(tmp_path):
    """The same current as by the stage's own keys; 1e-9, the solver's tolerance."""
    plain = solved(tmp_path, case_text((2, 2, 1), (0.1, 0.1, 0.2), ROWS, (
        'anodes = ["A"]\ncathodes = ["C"]\nvoltage = 10'), overpotential=1.0))
    _, found, _ = run(tmp_path, supply("one", "A", "C", "voltage = 10"))
    assert found["A"] == pytest.approx(currents(plain)["A"], rel=1e-9)


def test_isolated_supplies_take_back_what_they_give(tmp_path):
    """A - C at 10 V and B - D at 5 V share ore and no wire: each pair's currents cancel; energy."""
    sim, found, values = run(tmp_path, supply("one", "A", "C", "voltage = 10"),
                             supply("two", "B", "D", "voltage = 5"))
    assert found["A"] == pytest.approx(-found["C"], rel=1e-8)
    assert found["B"] == pytest.approx(-found["D"], rel=1e-8)
    assert values["one"] == pytest.approx((10, found["A"]), rel=1e-8)
    assert values["two"] == pytest.approx((5, found["B"]), rel=1e-8)
    assert energy_error(sim) < 1e-9


def test_the_first_limit_that_is_reached_rules(tmp_path):
    """0.1 A holds one supply below its 10 V, 0.5 W the other below its 50 V; exact to rounding."""
    _, found, values = run(tmp_path, supply("one", "A", "C", "voltage = 10\ncurrent = 0.1"),
                           supply("two", "B", "D", "voltage = 50\npower = 0.5"))
    assert found["A"] == pytest.approx(0.1, rel=1e-8) and values["one"][0] < 10
    volts, amperes = values["two"]
    assert volts * amperes == pytest.approx(0.5, rel=1e-8) and volts < 50
    assert found["B"] == pytest.approx(amperes, rel=1e-8)
    # Limits that are not reached change nothing.
    _, wide, _ = run(tmp_path, supply("one", "A", "C", "voltage = 10\ncurrent = 5\npower = 99"))
    _, plain, _ = run(tmp_path, supply("one", "A", "C", "voltage = 10"))
    assert wide["A"] == pytest.approx(plain["A"], rel=1e-9)


def test_supplies_that_share_a_terminal_are_wired_there(tmp_path):
    """C takes the current of both; the second supply finds its own voltage above it."""
    _, found, values = run(tmp_path, supply("one", "A", "C", "voltage = 10"),
                           supply("two", "B", "C", "current = 0.3"))
    assert found["B"] == pytest.approx(0.3, rel=1e-8)
    assert found["C"] == pytest.approx(-found["A"] - 0.3, rel=1e-8)
    assert values["one"][0] == pytest.approx(10, rel=1e-8)


def test_averaged_pulses_scale_supplies_by_their_duty(tmp_path):
    """Limits hold while on: means of the current are two thirds of them."""
    _, found, values = run(tmp_path, supply("one", "A", "C", "voltage = 50\npower = 0.5"),
                           stage="pulse = { on = 2, off = 1 }\n")
    volts, amperes = values["one"]
    assert volts * amperes == pytest.approx(0.5, rel=1e-8)
    assert found["A"] == pytest.approx(2 / 3 * amperes, rel=1e-8)
