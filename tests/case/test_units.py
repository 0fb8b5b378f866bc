"""Quantities: text with a unit to SI numbers, and the refusal of anything else."""

import math

import pytest

from ekm3d.case.plain_units import WORDS, plain_factor
from ekm3d.case.units import COMMON, QuantityKind, convert, factor, per_kg, per_litre, registry


@pytest.mark.parametrize("text, unit, si", [
    ("0.3 V/cm", "V/m", 30.0), ("132 h", "s", 475200.0), ("5 cm2", "m2", 5e-4),
    ("1.84e-8 m3/(A s)", "m/s/(A/m2)", 1.84e-8), ("2 l", "m3", 2e-3), ("14 %", "", 0.14),
    ("0.034 1/s", "1/s", 0.034),
    ("-10 cm", "m", -0.1), ("1.5 g/cm3", "kg/m3", 1500.0), ("6 meq/kg", "eq/kg", 6e-3),
    (7, "V", 7.0), (".5 m", "m", 0.5), ("1e-3m", "m", 1e-3), ("2 /h", "1/s", 2 / 3600)])
def test_quantity_text_is_converted_to_si(text, unit, si):
    """By hand; 1e-15 relative, since a decimal fraction may round either way."""
    assert QuantityKind(unit, "").read(text) == pytest.approx(si, rel=1e-15)


@pytest.mark.parametrize("text", [
    "0.3 A", "V/m", "", "0.3", "1 V/metric", "nan V/m", "inf V/m", "1e999 V/m", "1/0 V/m",
    "5 5 V/m", "10**9999999 V/m", "__import__('os')", "1 V/m; 2", True, None, [1], {"a": 1},
    math.nan, math.inf, 10**400])
def test_invalid_quantity_is_refused_with_an_example(text):
    """ValueError and nothing else, fast, with an example of what would be right."""
    with pytest.raises(ValueError, match="0.3 V/cm"):
        QuantityKind("V/m", "0.3 V/cm").read(text)


def test_equivalents_are_moles_of_charge():
    """400 mg/kg Al = 400e-6/0.02698 mol/kg = 44.478 meq/kg/3; eq and mol are not mixed up."""
    aluminium = per_kg(3.0, 26.98e-3)
    assert aluminium.read("400 mg/kg") == pytest.approx(0.0148258, rel=1e-5)
    assert aluminium.read("44.4774 meq/kg") == pytest.approx(0.0148258, rel=1e-5)
    assert aluminium.read("0.0148258 mol/kg") == pytest.approx(0.0148258)
    assert per_litre(-2.0, 96.06e-3).read("2 meq/l") == 1.0
    with pytest.raises(ValueError, match="no equivalents"):
        per_litre(0.0, 0.1).read("1 meq/l")
    with pytest.raises(ValueError, match="unit is missing"):
        aluminium.read(400)


TARGETS = ("", "m", "m2", "m3", "s", "kg", "mol", "eq", "A", "C", "V", "ohm", "S", "1/s")


@pytest.mark.parametrize("unit", sorted(COMMON))
def test_common_units_are_those_of_the_whole_registry(unit):
    """Every word that is looked up in the short list: same factors, same refusals."""
    known = 0
    for target in TARGETS:
        for text in (unit, f"{unit}/kg", f"1/{unit}", f"({unit})**-2"):
            found = []
            for common in (True, False):
                try:
                    found.append(convert(registry(common), text, target))
                except ValueError:
                    found.append(None)
            assert found[0] == found[1]
            plain = plain_factor(text, target)
            assert plain in (None, found[0]) or math.isnan(plain) and found[0] is None
            known += found[0] is not None
    assert known


@pytest.mark.parametrize("unit, target", [
    ("V/cm", "V/m"), ("m3/(A s)", "m/s/(A/m2)"), ("1/h", "1/s"), ("/day", "1/s"),
    ("g / cm^3", "kg/m3"),
    ("mmol/l", "mol/m3"), ("mS/cm", "S/m"), ("m**2/V/s", "m2/V/s"), ("meq/(kg h)", "eq/kg/s"),
    ("l/m2 d", "m s"), ("mol*m^-2*s^-1", "mol/m2/s"), ("ohm m2", "ohm m2"), ("kg", "kg"), ("%", ""),
    ("um/s", "m/s"), ("%/h", "1/s"), ("mV/m", "V/m")])
def test_plain_products_need_no_pint(unit, target):
    """The factor of pint to the last bit, in the order of its operators: a/b c is (a/b) c."""
    assert plain_factor(unit, target) == convert(registry(common=True), unit, target)


@pytest.mark.parametrize("unit, target", [("m(s)^2", "m s2"), ("m/", "m"), ("*m", "m"), ("m)", "m"),
                                          ("(m", "m"), ("s2", "s"), ("m 2", "m2"), ("m2^2", "m"),
                                          ("ft", "m"), ("12", ""), ("m//s", "m/s")])
def test_anything_else_is_left_to_pint(unit, target):
    assert plain_factor(unit, target) is None and math.isnan(plain_factor("V", "A"))
    assert COMMON - {"m2", "cm2", "m3", "cm3"} <= WORDS.keys()


@pytest.mark.parametrize("unit, target", [("cd", "s"), ("ct", "kg"), ("kt", "m/s"), ("ha", "m2"),
                                          ("cm*cd", "m*s"), ("dm", "m"), ("kWh", "J")])
def test_a_word_beyond_the_short_list_goes_to_the_whole_registry(unit, target):
    """Centidays, centitonnes and kilotonnes would be what the short list makes of the first three.
    """
    try:
        expected = convert(registry(common=False), unit, target)
    except ValueError:
        with pytest.raises(ValueError):
            factor(unit, target)
    else:
        assert factor(unit, target) == expected
