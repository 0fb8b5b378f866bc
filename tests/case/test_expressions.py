"""Expressions: values, refusals with their part of the text, and no execution of code."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.case.expressions import evaluate

X, Y, Z = np.linspace(-1, 2, 4), np.linspace(0, 1, 3)[:, None], np.array([[[0.25]], [[3.0]]])


def at(text, x=0.0, y=0.0, z=0.0):
    """Return the expression's value at one point."""
    return float(evaluate(text, x, y, z))


@pytest.mark.parametrize("text, value", [
    ("1", 1.0), ("-x", -0.5), ("+x", 0.5), ("x + 2*y - z/4", 0.5 + 6 - 0.5), ("2**3**2", 512.0),
    ("-x**2", -0.25), ("pi", math.pi), ("x < y", 1.0), ("x < y < z", 0.0), ("x != 0.5", 0.0),
    ("x == 0.5", 1.0), ("(x > 0)*(y >= 3)*(z <= 2)", 1.0), ("where(x > 1, y, z)", 2.0),
    ("min(z, y, x)", 0.5), ("max(x, z)", 2.0), ("abs(x - y)", 2.5), ("exp(log(y))", 3.0),
    ("sqrt(z + 2)", 2.0), ("sin(pi*x) + cos(pi*z)", 2.0), ("tan(pi/4)", 1.0),
    ("cosh(x)**2 - sinh(x)**2", 1.0), ("tanh(x)", math.tanh(0.5)), ("1e-3*1_000", 1.0),
    ("x *\n  (y +\n y)", 3.0)])
def test_expression_values(text, value):
    """By hand at x, y, z = 0.5, 3, 2; 4 roundings at most."""
    assert at(text, 0.5, 3.0, 2.0) == pytest.approx(value, rel=1e-15)


def test_expression_has_the_shape_of_the_coordinates():
    """[k, j, i], x fastest; a formula of one variable fills all of it."""
    values = evaluate("x + 10*y + 100*z", X, Y, Z)
    assert values.shape == (2, 3, 4) and values[1, 2, 3] == 312.0 and values[0, 1, 0] == 29.0
    assert evaluate("3", X, Y, Z).shape == (2, 3, 4) and evaluate("z", X, Y, Z)[1, 0, 0] == 3.0


def test_where_ignores_the_other_branch():
    """log and 1/x of what is below zero would be nan, inf and a warning; none of it is asked."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = evaluate("where(x > 0, log(x) + 1/x, 0)", X, Y, Z)
    assert values[0, 0] == pytest.approx([0, 0, 1, math.log(2) + 0.5])


@pytest.mark.parametrize("text, message", [
    ("1/x", "gives inf at (0, 0, 0.25) m; it must be finite everywhere"),
    ("sqrt(x)", "gives nan at (-1, 0, 0.25) m"),
    ("exp(1000*z)", "gives inf at (-1, 0, 3) m"),
    ("9**9**9**9", "gives inf"), ("1e400", "gives inf"), ("1" + 400 * "0", "gives inf"),
    ("(0/0)**0", "gives nan"), ("where(log(x) > 0, 1, 2)", "gives nan at (-1, 0, 0.25) m"),
    ("min(1, 0/0)", "gives nan"), ("log(x) < 0", "gives nan")])
def test_value_that_is_not_finite_is_refused_with_its_place(text, message):
    """x is -1, 0, 1, 2 and varies fastest. What is undefined stays so, even as a condition."""
    x = X if text != "1/x" else X + 1.0
    with pytest.raises(ValueError) as caught:
        evaluate(text, x, Y, Z)
    assert message in str(caught.value)


@pytest.mark.parametrize("text, message", [
    ("sn(x)", "'sn' in the formula is not a function; did you mean 'sin'?"),
    ("x + X", "'X' in the formula is not known; did you mean 'x'?"),
    ("2*t", "'t' in the formula is not known; known: x, y, z, pi, where, "),
    ("sin", "'sin' in the formula needs an argument in brackets"),
    ("sin(x, y)", "'sin(x, y)' in the formula has 2 arguments; sin takes 1"),
    ("sin()", "has 0 arguments"), ("max(x)", "max takes 2 or more"),
    ("where(x, y)", "where takes 3"), ("pi(2)", "'pi' in the formula is not a function"),
    ("x^2", "'x^2' in the formula is not allowed; write ** for a power"),
    ("x // 2", "'x // 2' in the formula is not allowed"), ("x % 2", "is not allowed"),
    ("x if y else z", "write where(condition, a, b)"),
    ("x > 0 and y > 0", "write a product of comparisons"), ("not x", "the comparison reversed"),
    ("x in y", "compare with < <= >"), ("~x", "is not allowed"), ("'a'", "is not a number"),
    ("1j", "is not a number"), ("True", "is not a number"), ("None", "is not a number"),
    ("x.real", "'x.real' in the formula is not allowed"), ("x[0]", "is not allowed"),
    ("[x]", "is not allowed"), ("lambda: 1", "is not allowed"), ("(y := 2)", "is not allowed"),
    ("sin(x=1)", "give plain arguments"), ("sin(*x)", "give plain arguments"),
    ("f'{x}'", "is not allowed"), ("__import__('os')", "'__import__' in the formula is not a"),
    ("().__class__()", "is not a function"), ("import os", "cannot be read near 'import os'"),
    ("x +", "cannot be read"), ("", "cannot be read at its end"), ("x # y", "'#' is not allowed"),
    ("x\0", "cannot be read"), ("1or x", "cannot be read"), ("x; y", "cannot be read near '; y'"),
    ("(" * 500, "too many nested"), ("-" * 9000 + "x", "nested too deeply"),
    ("x+" * 5000 + "x", "nested too deeply"), ("9" * 5000, "cannot be read"),
    ("x" * 20001, "20001 characters")])
def test_forbidden_syntax_is_refused_by_its_part(text, message):
    with pytest.raises(ValueError) as caught:
        evaluate(text, X, Y, Z)
    assert message in str(caught.value) and len(str(caught.value)) < 400


TOKENS = st.sampled_from("x y z pi 2 .5 1e9 + - * / ** ( ) , < >= == where( min( log( sqrt( exp( "
                         "[ ] { } 'a' . __class__ lambda : = if else not f' \\ \n é".split(" "))


@settings(max_examples=400, deadline=None)
@given(st.lists(TOKENS, max_size=14).map("".join) | st.text(max_size=30))
def test_any_text_gives_finite_numbers_or_value_error(text):
    """Nothing but values or a ValueError; no warning on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values = evaluate(text, X, Y, Z)
        except ValueError as e:
            assert str(e)
        else:
            assert values.shape == (2, 3, 4) and np.isfinite(values).all()
