"""Expressions of x, y and z in a case: `0.05 * (1 + where(z > 0.5, x**2, 0))`.

They may hold numbers, x, y, z [m], pi, + - * / **, comparisons (1 if true, 0 if false) and the
functions below, nothing else. The text is parsed to a syntax tree; every node must be on that
list and is evaluated here, so that no name or call in it is ever executed by Python itself.
"""

import ast
import operator
import warnings
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

LONGEST = 20_000        # characters
VARIABLES = ("x", "y", "z", "pi")
FUNCTIONS = {"abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin,
             "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh}
PAIRS = {"min": np.minimum, "max": np.maximum}
KNOWN = (*VARIABLES, "where", *PAIRS, *FUNCTIONS)
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
              ast.Div: np.divide, ast.Pow: np.power}
SIGNS = {ast.UAdd: operator.pos, ast.USub: operator.neg}
COMPARISONS = {ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater,
               ast.GtE: np.greater_equal, ast.Eq: np.equal, ast.NotEq: np.not_equal}
INSTEAD = {ast.IfExp: "where(condition, a, b)", ast.BitXor: "** for a power",
           ast.BoolOp: "a product of comparisons for \"and\"", ast.Not: "the comparison reversed",
           ast.BitAnd: "a product of comparisons for \"and\""}


def evaluate(text: str, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> np.ndarray:
    """Return the expression's values (float64) at x, y, z [m], arrays that broadcast together.

    Raises ValueError, which names the part of the text that is not allowed or the first place
    where the value is not finite. Both branches of a `where` are computed; a value that is not
    finite matters only in the branch that is selected.
    """
    tree = _parsed(text)
    given = {"x": x, "y": y, "z": z, "pi": np.pi}
    names = {name: np.asarray(value, dtype=float) for name, value in given.items()}
    shape = np.broadcast_shapes(*(value.shape for value in names.values()))
    try:
        with np.errstate(all="ignore"):
            values = np.array(np.broadcast_to(_value(tree, text, names), shape))
    except RecursionError:
        raise ValueError("the formula is nested too deeply") from None
    if not np.isfinite(values).all():
        first = np.unravel_index(np.argmin(np.isfinite(values)), shape)
        where = (float(np.broadcast_to(names[axis], shape)[first]) for axis in "xyz")
        raise ValueError("the formula gives {:g} at ({:g}, {:g}, {:g}) m; it must be finite "
                         "everywhere".format(values[first], *where))
    return values


def number(text: str, names: Mapping[str, float]) -> float:
    """Return the value of an expression of named numbers in place of x, y and z; may be nan.

    Raises ValueError, which names the part of the text that is not allowed.
    """
    given = {name: np.asarray(value, dtype=float) for name, value in names.items()}
    try:
        with np.errstate(all="ignore"):
            return float(_value(_parsed(text), text, given))
    except RecursionError:
        raise ValueError("the formula is nested too deeply") from None


def _parsed(text):
    """Return the syntax tree of the expression; line breaks count as blanks."""
    if len(text) > LONGEST:
        raise ValueError(f"the formula has {len(text)} characters, more than {LONGEST}")
    if "#" in text:
        raise ValueError("'#' is not allowed in a formula")
    line = _line(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")      # "1or x" is refused, not warned of
            return ast.parse(line, mode="eval").body
    except SyntaxError as e:
        column = min(max((e.offset or 1) - 1, 0), len(line))
        rest = line[column:column + 20]
        near = f"near {quoted(rest)}" if rest.strip() else "at its end"
        raise ValueError(f"the formula {quoted(_short(line))} cannot be read {near}: "
                         f"{e.msg}") from None
    except ValueError as e:
        raise ValueError(f"the formula {quoted(_short(line))} cannot be read: {e}") from None
    except (MemoryError, RecursionError):
        raise ValueError("the formula is nested too deeply") from None


def _line(text):
    """Return the text in one line."""
    return " ".join(text.split())


def _short(text):
    """Return at most 60 characters of a text."""
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(node, text, reason):
    """Raise ValueError about a node, quoting its part of the text."""
    part = ast.get_source_segment(_line(text), node) or "the formula"
    raise ValueError(f"{quoted(_short(part))} in the formula {reason}")


def _value(node, text, names):
    """Return the value of one node."""
    def value(part):
        return _value(part, text, names)

    def operation(table):
        for kind, action in table.items():
            if isinstance(node.op, kind):
                return action
        return _refuse(node, text, "is not allowed" + _instead(type(node.op)))

    if isinstance(node, ast.Constant):
        return _number(node, text)
    if isinstance(node, ast.Name):
        if node.id not in names:
            _refuse(node, text, "needs an argument in brackets" if node.id in KNOWN else
                    "is not known" + suggest(node.id, [*names, "where", *PAIRS, *FUNCTIONS]))
        return names[node.id]
    if isinstance(node, ast.BinOp):
        action, a, b = operation(ARITHMETIC), value(node.left), value(node.right)
        return _undefined(action(a, b), a, b)
    if isinstance(node, ast.UnaryOp):
        return operation(SIGNS)(value(node.operand))
    if isinstance(node, ast.Compare):
        return _comparison(node, text, value)
    if isinstance(node, ast.Call):
        return _call(node, text, value)
    return _refuse(node, text, "is not allowed" + _instead(type(node)))


def _instead(kind):
    """Return advice about a node that is not allowed, or ""."""
    return f"; write {INSTEAD[kind]}" if kind in INSTEAD else ""


def _number(node, text):
    """Return a literal as float64."""
    if type(node.value) not in (int, float):
        _refuse(node, text, "is not a number")
    try:
        return np.float64(node.value)
    except OverflowError:
        return np.float64(np.inf)


def _undefined(result, *operands):
    """Return the result, NaN where an operand is NaN: (0/0)**0 must not become 1."""
    for operand in operands:
        if np.isnan(operand).any():
            result = np.where(np.isnan(operand), np.nan, result)
    return result


def _comparison(node, text, value):
    """Return 1 where all of a < b < c are true, 0 elsewhere."""
    parts = [value(part) for part in (node.left, *node.comparators)]
    holds = np.float64(1.0)
    for op, (a, b) in zip(node.ops, pairwise(parts), strict=True):
        if type(op) not in COMPARISONS:
            _refuse(node, text, "is not allowed; compare with < <= > >= == !=")
        holds = holds * COMPARISONS[type(op)](a, b)
    return _undefined(holds, *parts)


def _call(node, text, value):
    """Return the value of a call of one of the functions above; checks their arguments."""
    name = node.func.id if isinstance(node.func, ast.Name) else None
    if name not in KNOWN or name in VARIABLES:
        _refuse(node.func, text, "is not a function" + suggest(
            name or "", ("where", *PAIRS, *FUNCTIONS)))
    if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
        _refuse(node, text, "is not allowed; give plain arguments")
    count, n = len(node.args), 3 if name == "where" else 2 if name in PAIRS else 1
    if count != n and not (name in PAIRS and count > n):
        _refuse(node, text, f"has {count} argument{'s' * (count != 1)}; {name} takes "
                + (f"{n} or more" if name in PAIRS else f"{n}"))
    arguments = [value(a) for a in node.args]
    if name == "where":
        condition, a, b = arguments
        return _undefined(np.where(condition != 0.0, a, b), condition)
    if name in PAIRS:
        result = arguments[0]
        for other in arguments[1:]:
            result = PAIRS[name](result, other)
        return result
    return FUNCTIONS[name](*arguments)
