"""Page of the validation: cases/validation.md is page.md with its tables, and its links lead on."""

import importlib
import re

import pytest
from helpers.case_files import ROOT

FOLDER = ROOT / "cases" / "validation"


@pytest.fixture
def tool(monkeypatch):
    """scripts/tools/validation_page.py as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "tools"))
    return importlib.import_module("validation_page")


def test_the_page_is_its_text_with_the_tables_beside_it(tool):
    """Run python scripts/tools/validation_page.py --only-text and commit what it writes."""
    assert (ROOT / "cases" / "validation.md").read_text(encoding="utf-8") == tool.page()


@pytest.mark.parametrize("page", [FOLDER / "page.md", ROOT / "cases" / "validation.md"])
def test_relative_links_lead_somewhere_from_both_places(page):
    links = re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert len(links) > 10
    assert [link for link in links if "://" not in link
            and not (page.parent / link).exists()] == []


def test_links_are_moved_to_the_folder_above(tool):
    """`../X` is X there and X is validation/X; places in the page and addresses stay."""
    text = "[a](../guide/c.md#fit) [b](runs.toml) [c](#grid) ![d](https://e.org/f.png)"
    assert tool.moved(text) == ("[a](guide/c.md#fit) [b](validation/runs.toml) [c](#grid) "
                                "![d](https://e.org/f.png)")
