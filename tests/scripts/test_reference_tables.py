"""Tables of ekm3d/README.md that are made from the code: they are up to date and complete."""

import importlib

import pytest
from helpers.case_files import ROOT

from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.resources import folder
from ekm3d.state import FIELDS


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "tools"))
    return importlib.import_module("reference_tables")


def test_tables_are_up_to_date(script):
    """Fields and kernels are those of the code; what differs is written by all_tables.py."""
    assert script.main(["--check"]) == 0, \
        "run python scripts/tools/all_tables.py and commit ekm3d/README.md"


def test_stale_page_is_reported_and_rewritten(script, tmp_path, capsys):
    """Text outside of the comments stays; a second check passes."""
    page = tmp_path / "README.md"
    page.write_text("".join(f"# {name}\n<!-- begin: {name} -->\nold\n<!-- end: {name} -->\nrest\n"
                            for name in script.TABLES))
    assert script.main(["--check"], page) == 1
    assert "out of date" in capsys.readouterr().out and "old" in page.read_text()
    assert script.main([], page) == 0
    assert script.main(["--check"], page) == 0
    text = page.read_text()
    assert "old" not in text and text.count("rest\n") == 2 and text.startswith("# fields\n")


def test_page_without_the_comments_is_refused(script):
    with pytest.raises(ValueError, match="begin: fields"):
        script.updated("# A page\n")


def test_every_field_and_every_kernel_has_one_row(script):
    """One row each, every cell filled."""
    every = sum(len(kernel_names(path.read_text())) for path in folder("kernels").rglob("*.cu"))
    for make, count in ((script.fields, len(FIELDS)), (script.kernels, every)):
        rows = make().splitlines()[2:]
        assert len(rows) == count
        assert not [row for row in rows if "|  |" in row]


@pytest.mark.parametrize("field, shape", [
    ("totals", "(components, padded)"), ("phi", "(padded)"), ("leachate", "(components)"),
    ("reservoir_species", "(species, places)"), ("catholyte_pH", "(strips)")])
def test_shapes_are_those_of_the_state(script, field, shape):
    assert script.shapes()[field] == shape


@pytest.mark.parametrize("text, sentence", [
    ("Solve A x = b.", "Solve A x = b"),
    ("Return the flux  [mol/s].\n\nMore.", "Return the flux [mol/s]"),
    ("Use 0.5 of it\n    in two lines. And more.", "Use 0.5 of it in two lines"), (None, "")])
def test_first_sentence_of_a_docstring(script, text, sentence):
    assert script.first_sentence(text) == sentence
