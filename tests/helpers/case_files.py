"""Cases that the tests may spoil: copies of a case directory with lines of case.toml replaced."""

import shutil
from pathlib import Path

import pytest

from ekm3d.case.case import Case, CaseError

ROOT = Path(__file__).resolve().parents[2]
FIELD = ROOT / "cases" / "field_block"
SMALL = ROOT / "tests" / "data" / "case_small"
OPEN = ROOT / "tests" / "data" / "case_open"


def copy(folder, source=SMALL, *edits, **files):
    """A copy of the case in `folder`, with (old, new) edits of case.toml and extra CSV files."""
    case = Path(folder) / "case"
    shutil.copytree(source, case, ignore=shutil.ignore_patterns("out"))
    shutil.copy(FIELD / "database.toml", case)
    text = (case / "case.toml").read_text()
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in case.toml"
        text = text.replace(old, new)
    (case / "case.toml").write_text(text)
    for name, content in files.items():
        (case / f"{name}.csv").write_text(content)
    return case


def complaints(case, *overrides):
    """The lines of the CaseError that reading the case raises."""
    with pytest.raises(CaseError) as caught:
        Case.read(case, overrides)
    return caught.value.lines


def told(case, key, message, *overrides):
    """The first complaint about `key` that holds `message`; fails where there is none."""
    lines = complaints(case, *overrides)
    found = [line for line in lines if f" {key}: " in line and message in line]
    assert found, "\n".join(lines)
    return found[0]
