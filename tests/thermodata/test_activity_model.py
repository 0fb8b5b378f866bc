"""Activity coefficients from records: LLNL's tables over temperature, CO2, exchange species."""

import numpy as np
import pytest

from ekm3d.chemistry.activity import Activity
from ekm3d.thermodata.build import DatabaseError, build

LLNL = {"model": "llnl", "A": 0.51, "neutral": 0.1, "water_activity": 0.017,
        "temperatures": [0.0, 25.0, 60.0], "dh_a": [0.49, 0.51, 0.55],
        "dh_b": [0.325, 0.33, 0.335], "bdot": [0.037, 0.041, 0.044],
        "co2": [-1.0312, 0.0012806, 255.9, 0.4445, -0.001606]}
STRENGTH = np.array([0.01, 0.3, 1.0])


def component(name, charge, **more):
    return {"name": name, "charge": charge, "molar_mass": 20.0, "diffusion": 1e-9, "source": "x",
            **more}


def tables(**activity):
    return {"activity": LLNL | activity, "mobility": {"model": "sqrt", "coefficient": 0.5},
            "component": [component("H+", 1, size=9.0, gamma="llnl"),
                          component("La+3", 3, size=6.0, gamma="llnl"), component("Na+", 1),
                          component("CO2", 0, gamma="co2"),
                          component("N2", 0, size=3.0, gamma="llnl")],
            "exchanger": [{"name": "X-"}],
            "exchange": [
                {"name": "LaX3", "reaction": {"La+3": 1, "X-": 3}, "log_k": 1.2, "source": "x",
                 "size": 6.0, "gamma": "llnl"},
                {"name": "NaX", "reaction": {"Na+": 1, "X-": 1}, "log_k": 0.0, "source": "x"}]}


@pytest.mark.parametrize("celsius, A, B, dot", [
    (25.0, 0.51, 0.33, 0.041), (12.5, 0.50, 0.3275, 0.039), (90.0, 0.55, 0.335, 0.044)])
def test_llnl_coefficients_follow_their_tables(celsius, A, B, dot):
    """-A z2 sqrt I/(1 + B a sqrt I) + Bdot I, linear between the temperatures and constant beyond;
    1 for uncharged species and for ions without a size; Drummond's polynomial for CO2."""
    chem = build(tables(), temperature=celsius + 273.15)
    model, root = Activity(chem), np.sqrt(STRENGTH)
    log = -(model.action @ model.factors(STRENGTH)) / np.log(10)
    for n, (z, size) in enumerate(((1, 9.0), (3, 6.0))):
        law = -A * z**2 * root / (1 + B * size * root) + dot * STRENGTH
        np.testing.assert_allclose(log[n], law, rtol=1e-12)
    np.testing.assert_allclose(log[[2, 4]], 0.0, atol=1e-15)
    T = celsius + 273.15
    co2 = ((-1.0312 + 0.0012806 * T + 255.9 / T) * STRENGTH
           - (0.4445 - 0.001606 * T) * STRENGTH / (1 + STRENGTH)) / np.log(10)
    np.testing.assert_allclose(log[3], co2, rtol=1e-12)
    log = -(model.exchange @ model.factors(STRENGTH)) / np.log(10)
    np.testing.assert_allclose(log[0], -A * 9 * root / (1 + B * 6 * root) + dot * STRENGTH,
                               rtol=1e-12)
    assert not log[1].any()


def test_slopes_are_derivatives(rng):
    """d factors / d ln I by central differences, 1e-4 wide: their error is 1e-8 of the factors."""
    model, step = Activity(build(tables())), 1e-4
    wide = (model.factors(STRENGTH * np.exp(step)) - model.factors(STRENGTH * np.exp(-step)))
    np.testing.assert_allclose(model.slopes(STRENGTH), wide / (2 * step), rtol=1e-7)


@pytest.mark.parametrize("change, words", [
    ({"dh_a": [0.5]}, "dh_a = [0.5], must be a list of 3 numbers"),
    ({"co2": [1.0]}, "co2 = [1.0], must be a list of 5 numbers"),
    ({"bdot": "x"}, "bdot = 'x', must be a list of 3 numbers"),
    ({"model": "wateq"}, "gamma = 'llnl' needs [activity] with model = \"llnl\"")])
def test_tables_of_the_model_are_checked(change, words):
    with pytest.raises(DatabaseError) as refused:
        build(tables(**change))
    assert words in str(refused.value)


@pytest.mark.parametrize("record, words", [
    ({"gamma": "pitzer"}, "gamma = 'pitzer', must be"), ({"gamma": "llnl"}, "needs a size"),
    ({"gamma": "davies", "size": 3.0}, "needs neither size nor linear"),
    ({"size": 3.0}, "size and linear belong together")])
def test_laws_of_records_are_checked(record, words):
    wrong = tables()
    wrong["exchange"][1] |= record
    with pytest.raises(DatabaseError) as refused:
        build(wrong)
    assert words in str(refused.value)


def test_another_model_may_be_chosen():
    """Davies for all: ions, and exchange species that have coefficients."""
    chem = build(tables(), activity="davies")
    assert (chem.size == 1).all() and chem.valid_strength == 0.5
    assert chem.debye_A == pytest.approx(0.51) and chem.size_x[0] == 1
    assert chem.linear_x.tolist() == [0.3 * chem.debye_A * 9, 0]
    assert not chem.ideal().debye_x.any() and not build(tables(), activity="ideal").debye_x.any()
