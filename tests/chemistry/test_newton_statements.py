"""Statements of Newton's kernel: what a system's numbers change in them, and what they do not.

That they solve its equations is tested with the kernel (`test_newton`)."""

import re
from dataclasses import replace

import numpy as np
from helpers.field_voxels import CHEM, ENGINE

from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.chemistry.newton import NewtonTables
from ekm3d.chemistry.newton_statements import derivatives, places, statements

EQUATIONS = ENGINE.equations


def test_systems_that_differ_in_constants_share_one_text():
    """Another log K is another number in a table: the compiled kernel is the same."""
    other = replace(CHEM, log_k=np.where(CHEM.log_k != 0, CHEM.log_k + 0.3, 0.0))
    assert statements(EquilibriumSolver(other).equations) == statements(EQUATIONS)


def test_places_count_the_nonzeros_row_by_row():
    table = np.array([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]])
    numbers = places(table)
    assert [int(numbers[at]) for at in ((0, 1), (1, 0), (1, 2))] == [0, 1, 2]


def test_every_weight_but_one_is_named_once_and_nothing_else():
    """Each nonzero of the tables has its statement; a weight of 1 is not multiplied by."""
    text, tables = statements(EQUATIONS), NewtonTables.of(EQUATIONS)
    for name, body, weights in (("action", "terms", tables.action_weight),
                                ("sum", "terms", tables.sum_weight),
                                ("size", "terms", tables.sum_size),
                                ("direct", "elimination", tables.direct_weight)):
        named = sorted(int(n) for n in re.findall(rf"s\.{name}\[(\d+)\]", text[body]))
        assert named == np.flatnonzero(abs(weights) != 1).tolist(), name
    assert np.count_nonzero(derivatives(EQUATIONS)) == len(tables.direct_weight)


def test_rows_are_eliminated_in_order_and_every_unknown_is_given():
    body = statements(EQUATIONS)["elimination"]
    pivots = [int(row) for row in re.findall(r"A(\d+)_\1 = 1 / ", body)]
    assert pivots == list(range(EQUATIONS.B + EQUATIONS.phases.count))
    assert sorted(int(n) for n in re.findall(r"wide\(p\.x\[(\d+)\]\) =", body)) == pivots
