"""Copies of case directories with lines of case.toml replaced, and the errors of reading them."""

import shutil
from pathlib import Path

import pytest

from ekm3d.case.case import Case
from ekm3d.case.problems import CaseError

ROOT = Path(__file__).resolve().parents[2]
FIELD = ROOT / "cases" / "field_block"
SMALL = ROOT / "tests" / "data" / "case_small"
OPEN = ROOT / "tests" / "data" / "case_open"


def copy(folder, source=SMALL, *edits, **files):
    """Return a copy of the case below `folder`, with (old, new) edits and extra CSV files."""
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
    """Return the lines of the CaseError that reading the case raises."""
    with pytest.raises(CaseError) as caught:
        Case.read(case, overrides)
    return caught.value.lines


def told(case, key, message, *overrides):
    """Return the first complaint about `key` that holds `message`; fail if there is none."""
    lines = complaints(case, *overrides)
    found = [line for line in lines if f" {key}: " in line and message in line]
    assert found, "\n".join(lines)
    return found[0]


def told_with_line(folder, old, new, key, message):
    """Check the complaint about the small case with `old` replaced: its key, message and line.

    The line is the edited one where the key stands on it, else that of the key's table.
    """
    case = copy(folder, SMALL, (old, new))
    wanted = [line for line in complaints(case) if f": {key}: " in line and message in line]
    assert wanted
    number, text = int(wanted[0].split(":")[1]), (SMALL / "case.toml").read_text()
    if key.split(".")[-1] == (new or old).split()[0].strip('"'):
        assert number == text[:text.index(old)].count("\n") + 1 or not new
    names = [part for part in key.split(".") if not part.isdigit()]
    assert any(name in (case / "case.toml").read_text().splitlines()[number - 1]
               for name in names[-2:])
