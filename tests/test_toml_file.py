"""TOML within bounds: what `tomllib` reads, but neither deep, nor endless, nor slowly."""

import time
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ekm3d.toml_file import DEEPEST, NotTOML, parsed

PIECES = ["a", "b.c", "=", "1", "[", "]", "{", "}", ",", "\n", '"', "'", '"""', "'''", "#", "\\",
          "1e9", "0x1f", "1979-05-27", "[[x]]", "[y]", " ", '"k" = 2', "true", ".", "é", "\0"]
HOSTILE = {
    "brackets": "a = " + "[" * 100_000, "tables": "a = " + "{ b = " * 5000,
    "dots": "a" + ".a" * 100_000 + " = 1", "header": "[a" + ".a" * 100_000 + "]",
    "digits": "a = " + "9" * 5000, "hexadecimal": "a = 0x" + "f" * 10_000,
    "key": "x" * 10**6 + " = 1", "date": "a = 2020-13-45", "quotes": '"""\\"' * 100_000,
    "apostrophes": "'" * 10**5, "length": "a = 1 #" + "x" * 2**22}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_texts_are_refused_in_a_second_or_two(kind):
    """Each ended in a traceback, in SIGSEGV or not at all; 10 s leave room for a busy machine."""
    begin = time.monotonic()
    with pytest.raises(NotTOML) as caught:
        parsed(HOSTILE[kind])
    assert len(str(caught.value)) < 300 and time.monotonic() - begin < 10


@pytest.mark.parametrize("text, message, path", [
    ("a = 9223372036854775808", "is 9223372036854775808, too large for an integer", ("a",)),
    ("[t]\nb = [1, -" + "9" * 300 + "]", "is an integer of about 30[01] digits", ("t", "b", 1))])
def test_integers_of_more_than_64_bits_are_named_by_their_place(text, message, path):
    with pytest.raises(NotTOML, match=message) as caught:
        parsed(text)
    assert caught.value.path == path


def test_nesting_is_allowed_to_the_bound():
    for depth, good in ((DEEPEST, True), (DEEPEST + 1, False)):
        text = "a = " + "[" * depth + "]" * depth
        if good:
            assert parsed(text) == tomllib.loads(text)
        else:
            with pytest.raises(NotTOML, match=f"more than {DEEPEST} deep"):
                parsed(text)


def test_brackets_and_dots_in_texts_and_comments_do_not_count():
    text = "a = '" + "[" * 100 + "'\nb = \"\"\"" + "a.\n[" * 100 + "\"\"\"\n# " + "[" * 100 + "\n"
    assert parsed(text) == tomllib.loads(text)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@settings(max_examples=300, deadline=None)
def test_it_reads_what_tomllib_reads(text):
    """Texts of pieces of TOML, most of them wrong: the same data, or an error from both."""
    try:
        wanted = tomllib.loads(text)
    except ValueError:
        with pytest.raises(NotTOML):
            parsed(text)
    else:
        assert parsed(text) == wanted
