"""Values of a study: the rule for commas and lists, products and pairs, names of directories."""

import re

import pytest

from ekm3d.case.toml_text import load
from ekm3d.errors import InputError
from ekm3d.study.points import numeric, points, split, toml, values


@pytest.mark.parametrize("text, found", [
    ("a.b=1, 2,3", ["1", "2", "3"]), ("a=5 cm", ["5 cm"]), ("a=5 cm,10 cm", ["5 cm", "10 cm"]),
    ('a=["1 cm", "2 cm"]', ['"1 cm"', '"2 cm"']), ('a=[[1, 2], [3, 4]]', ["[1, 2]", "[3, 4]"]),
    ('a=["x, y"]', ['"x, y"']), ('a="x, y", z', ['"x, y"', "z"]),
    ('a={on = "1 s", off = "2 s"}, {on = "2 s", off = "1 s"}',
     ['{on = "1 s", off = "2 s"}', '{on = "2 s", off = "1 s"}']),
    ("a=[true, false]", ["true", "false"]), ("a = x ", ["x"])])
def test_the_rule_for_values(text, found):
    """Commas outside of quotes and brackets separate; a whole TOML list gives its items."""
    assert [value.text for value in values(text)[1]] == found


@pytest.mark.parametrize("text, said", [
    ("a", "write -o KEY="), ("=1", "write -o KEY="), ("a=", "write -o KEY="),
    ("a=1,,2", "a value is missing"), ("a=1, 1", "twice"), ("a=[]", "a value is missing")])
def test_wrong_values_are_refused(text, said):
    with pytest.raises(InputError, match=said):
        points([text])


def test_text_for_people_has_no_quotes():
    assert [v.shown for v in values('a=["1 cm", [1, 2]]')[1]] == ["1 cm", "[1, 2]"]
    assert [v.shown for v in values('a="1 cm", b')[1]] == ["1 cm", "b"]


@pytest.mark.parametrize("value", [1, 2.5, True, "x", 'quo"te, \\ and \u03b1',
                                   ["1 cm", 2, [3.0]], {"on": "1 s", "b c": [1, {"d": False}]}])
def test_items_of_a_list_reach_the_case_as_they_are(value):
    """The text of `toml` is read by `-o` as the same value."""
    assert load("", [f"a={toml(value)}"])[0] == {"a": value}


def test_split_counts_brackets_and_quotes():
    assert split("f(1, 2), [3, 4], 'a, b'") == ["f(1, 2)", "[3, 4]", "'a, b'"]


def test_products_and_pairs():
    """Two keys of two values: four runs, or two; a single value goes with every run."""
    given = ["a=1,2", "b=x,y", "c=z"]
    all_of = [list(p.shown.values()) for p in points(given)]
    assert all_of == [["1", "x"], ["1", "y"], ["2", "x"], ["2", "y"]]
    paired = points(given, pairs=True)
    assert [p.overrides for p in paired] == [["a=1", "b=x", "c=z"], ["a=2", "b=y", "c=z"]]
    assert [p.overrides for p in points(["c=z"], pairs=True)] == [["c=z"]]
    with pytest.raises(InputError, match="2 of a, 3 of b"):
        points(["a=1,2", "b=1,2,3"], pairs=True)
    with pytest.raises(InputError, match="-o a is given twice"):
        points(["a=1", "a=2"])


def test_names_of_directories_are_plain_and_differ():
    """Letters that any file system takes, at most 87; fixed values make a difference, too."""
    given = [*points(["a.b=5 cm, 5_cm, ../x"]), *points(["a.b=5 cm", "c=1"]),
             *points(['a=["' + "x" * 300 + '", "b"]'])]
    names = [p.name for p in given]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9.+=_-]{1,87}", name) and name[0] != "." for name in names)
    assert names[0].startswith("b=5_cm-")


@pytest.mark.parametrize("texts, found", [
    (["0.2 V/cm", "0.3 V/cm"], ([0.2, 0.3], "V/cm")), (["1", "2e-3"], ([1.0, 0.002], "")),
    (["5cm", "10 cm"], ([5.0, 10.0], "cm")), (["5 cm", "1 m"], None), (["a", "b"], None),
    (["[1, 2]", "[3, 4]"], None), ([], None)])
def test_values_with_one_unit_are_numbers(texts, found):
    assert numeric(texts) == found
