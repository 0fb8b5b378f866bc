"""Names of verification cases: whole names, letters, paths, and refusals."""

import pytest

from ekm3d.case.problems import CaseError
from ekm3d.verification import catalogue
from ekm3d.verification.catalogue import available, chosen

LETTERS = "a b c1 c2a c2b c3 c4 d1 d2 d3 d4 e g".split()


def test_all_reference_problems_are_available():
    assert set(LETTERS) <= {name.partition("_")[0] for name in available()}


@pytest.mark.parametrize("letter", LETTERS)
def test_a_letter_names_its_case(letter):
    (path,) = chosen([letter])
    assert path.name.startswith(letter + "_") and chosen([path.name]) == [path]


def test_names_are_kept_in_their_order_and_none_means_all():
    known = available()
    assert chosen(["plates", "d2", "g"]) == [known[n] for n in ("plates", "d2_two_layers",
                                                                "g_consolidation")]
    assert chosen([]) == list(known.values())


def test_a_whole_name_comes_before_the_part_before_an_underscore():
    """`coupled` is a case, and the part before the underscore of `coupled_3d` as well."""
    assert chosen(["coupled"]) == [available()["coupled"]]


def test_a_path_names_a_case():
    path = available()["plates"]
    assert chosen([str(path)]) == [path]


@pytest.mark.parametrize("name, says", [("plaits", "did you mean 'plates'"),
                                        ("c2", "known: a_exchange_column, "),
                                        ("d2_two", "did you mean 'd2_two_layers'"),
                                        ("d2_", "known: ")])
def test_unknown_names_are_refused_with_a_suggestion(name, says):
    with pytest.raises(CaseError, match=f"no verification case '{name}'; {says}"):
        chosen([name])


def test_an_ambiguous_letter_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "available", lambda: {"a_one": tmp_path, "a_two": tmp_path})
    with pytest.raises(CaseError, match="'a' is ambiguous: a_one, a_two"):
        chosen(["a"])
