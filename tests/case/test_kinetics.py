"""[[chemistry.kinetics]] and [ore.immobile]: rate laws, immobile water, mistakes."""

import numpy as np
import pytest
from helpers.case_files import copy, told

from ekm3d import Case
from ekm3d.chemistry.rate_laws import FirstOrder, Term, TransitionState

HYDROXIDE = 'mineral="Al(OH)3", law="transition state", area="12 m2/g"'
LAW = "chemistry.kinetics=[{{{}}}]".format


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("case"))


def test_without_the_tables_there_are_no_rates(case):
    rates = Case.read(case).rates
    assert (rates.laws, rates.slow_sites, rates.immobile) == ({}, None, None)
    assert "rates" not in Case.read(case).describe()


def test_rate_laws_and_slow_sites_in_si(case):
    """12 m2/g of Al(OH)3: 26.98 + 3 x 18.015 - 3 x 1.008 = 78.0 g/mol make 936 m2/mol.

    1 mmol/kg of seed in ore of the case's density.
    """
    read = Case.read(case, (
        'chemistry.kinetics=[{mineral="CaCO3", rate="3.6e-3 1/h"}, {' + HYDROXIDE + ', '
        'acid={rate="2e-9 mol/m2/s", order=1}, base={rate="5e-13 mol/m2/s", order=-0.8}, '
        'seed="1 mmol/kg", area_exponent=1, omega_power=0.5, affinity_power=2}, '
        '{sites=0.4, rate="2e-5 1/s"}]',))
    assert read.rates.laws["CaCO3"] == FirstOrder(pytest.approx(1e-6))
    law = read.rates.laws["Al(OH)3"]
    assert isinstance(law, TransitionState)
    assert law.terms == (Term(2e-9, 1.0), Term(5e-13, -0.8))
    assert law.area == pytest.approx(936.0, rel=1e-3)
    assert (law.exponent, law.omega_power, law.affinity_power) == (1.0, 0.5, 2.0)
    np.testing.assert_allclose(law.seed, 1e-3 * read.ore.density)
    assert read.rates.slow_sites == (0.4, pytest.approx(2e-5))
    shown = read.describe()
    for text in ("CaCO3", "1e-06 1/s", "a_H^1", "0.4 of the exchange sites"):
        assert text in shown


def test_area_per_mol(case):
    law = Case.read(case, (LAW(HYDROXIDE.replace("12 m2/g", "936 m2/mol")
                               + ', neutral={rate="1e-12 mol/m2/s"}'),)).rates.laws["Al(OH)3"]
    assert law.area == 936.0 and law.exponent == pytest.approx(2 / 3) and not law.seed.any()


def test_immobile_water_from_a_formula(case):
    """A formula of x: a source like any of [ore]."""
    read = Case.read(case, ('ore.immobile={share={formula="0.1+0.2*(x>0)"}, rate="1e-6 1/s"}',))
    share, rate = read.rates.immobile
    assert share.shape == read.grid.shape
    np.testing.assert_allclose(share, 0.3)
    np.testing.assert_allclose(rate, 1e-6)
    assert "0.3 of the water immobile" in read.describe()


@pytest.mark.parametrize("law, key, message", [
    ('rate="1e-6 1/s"', "0", "needs either mineral"),
    ('mineral="CaCO3", sites=0.3, rate="1e-6 1/s"', "0", "needs either mineral"),
    ('mineral="CaCO4", rate="1e-6 1/s"', "0.mineral", "did you mean 'CaCO3'?"),
    ('mineral="CaCO3"', "0.rate", 'is missing; write e.g. rate = "1e-6 1/s"'),
    ('mineral="CaCO3", rate="1e-6"', "0.rate", "the unit is missing"),
    ('mineral="CaCO3", rate="0 1/s"', "0.rate", "must be above 0"),
    ('mineral="CaCO3", rate="1e-6 1/s", area="1 m2/g"', "0.area", "transition state"),
    ('mineral="CaCO3", rate="1e-6 1/s"}, {mineral="CaCO3", rate="2e-6 1/s"', "1.mineral",
     "has a law already"),
    ('sites=0.3, rate="1e-6 1/s"}, {sites=0.2, rate="2e-6 1/s"', "1", "given twice"),
    ('sites=0.3, law="transition state", rate="1e-6 1/s"', "0.law", 'only be "first order"'),
    ('sites=1.3, rate="1e-6 1/s"', "0.sites", "out of range"),
    (HYDROXIDE, "0", "at least one of acid, neutral and base"),
    (HYDROXIDE + ', rate="1e-6 1/s", neutral={rate=1e-9}', "0.rate", "first order"),
    (HYDROXIDE.replace("12 m2/g", "12 m2") + ", neutral={rate=1e-9}", "0.area", "1 m2/g"),
    (HYDROXIDE.replace('"12 m2/g"', "12") + ", neutral={rate=1e-9}", "0.area", "unit is missing"),
    ('mineral="Al(OH)3", law="transition state", neutral={rate=1e-9}', "0.area", "is missing"),
    (HYDROXIDE + ", acid={rate=1e-9, order=-1}", "0.acid.order", "above 0"),
    (HYDROXIDE + ", neutral={rate=1e-9, order=1}", "0.neutral.order", "left out"),
    (HYDROXIDE + ", base={rate=1e-9, order=1}", "0.base.order", "below 0"),
    (HYDROXIDE + ', neutral={rate=1e-9}, seed="1 m"', "0.seed", "400 mg/kg"),
    (HYDROXIDE + ", neutral={rates=1e-9}", "0.neutral.rates", "did you mean 'rate'?"),
])
def test_wrong_rate_law_is_refused(case, law, key, message):
    told(case, f"chemistry.kinetics.{key}", message, LAW(law))


@pytest.mark.parametrize("immobile, key, message", [
    ("{share=1, rate=1e-6}", "ore.immobile.share", "below 1"),
    ('{share=0.2, rate="1e-6 m/s"}', "ore.immobile.rate", "1/s"),
    ('{share=0.2, rate="1e-6 1/s", field=2}', "ore.immobile.field", "true or false"),
    ('{share=0.2, rate="1e-6 1/s", tortuosity=1.5}', "ore.immobile.tortuosity", "at most 1"),
    ('{share=0.2, rate="1e-6 1/s", field=false, tortuosity=0.5}', "ore.immobile.tortuosity",
     "field = false"),
    ("{share=0.2}", "ore.immobile.rate", "is missing; write e.g."),
    ("0.3", "ore.immobile", "should be a table"),
])
def test_wrong_immobile_water_is_refused(case, immobile, key, message):
    told(case, key, message, f"ore.immobile={immobile}")


def test_slow_processes_require_chemistry_and_transport(case):
    off = ("physics.transport=false", "physics.potential=false")
    told(case, "chemistry.kinetics.0", "needs physics.chemistry and physics.transport",
         LAW('mineral="CaCO3", rate="1e-6 1/s"'), *off)
    told(case, "ore.immobile", "needs physics.transport", "ore.immobile={share=0.3, rate=1e-6}",
         *off)
