"""Values and texts in messages: short, in one line, without control characters or internals."""

import datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.case.problems import MISSING
from ekm3d.quoting import LONGEST, WHOLE, legible, quoted, some

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def test_a_value_is_written_as_python_does_or_described():
    """Digits: log10(2) per bit, one too many at most."""
    for value, text in (
            ("a", "'a'"), (1.5, "1.5"), (True, "True"), (10**6, "1000000"), ([1, "b"], "[1, 'b']"),
            ({"a": 1}, "{'a': 1}"), (np.float64(2.0), "2.0"), (np.int64(3), "3"),
            (datetime.date(1970, 1, 1), "1970-01-01"), (MISSING, "(unreadable)"),
            (object(), "(unreadable)"), ([[[[1]]]], "[[[...]]]"),
            (list(range(9)), "[0, 1, 2, 3, ...]"),
            (10**5000, "an integer of about 5001 digits"),
            (-2**20000, "an integer of about 6021 digits")):
        assert quoted(value) == text


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_any_value_is_short_and_legible(value):
    text = quoted(value)
    assert 0 < len(text) <= LONGEST and text.isprintable()


@given(st.text(max_size=3000))
@settings(max_examples=200, deadline=None)
def test_any_message_is_one_line_of_bounded_length(text):
    """Characters that are shown by their number take six places instead of one."""
    shown = legible(text)
    assert len(shown) <= 10 * WHOLE and "\n" not in shown and "\x1b" not in shown
    assert shown == text or not text.isprintable() or len(text) > WHOLE


def test_a_long_message_keeps_its_place_and_its_remedy():
    shown = legible("case.toml:3: " + "x" * 10**6 + "; write \"5 cm\"")
    assert shown.startswith("case.toml:3: x") and shown.endswith("; write \"5 cm\"")


def test_objects_of_libraries_are_left_out():
    """NumPy says so of a damaged header of a .npy file."""
    assert legible("malformed node: <ast.Name object at 0x7ffb355c4850>") == "malformed node: ..."


def test_of_many_names_some_are_listed():
    assert some(["a", "b"]) == "a, b" and some([]) == "none"
    assert some(map(str, range(1000)), 3) == "0, 1, 2 and 997 more"
