"""scripts/tools/fuzz.py: its inputs repeat, its judge sees what is wrong, and nothing is found."""

import os
import random
import signal
import sys
from types import SimpleNamespace

import pytest
from helpers.case_files import ROOT, SMALL, copy

sys.path.insert(0, str(ROOT / "scripts" / "tools"))
import fuzz
import fuzz_mutations


def options(folder, count, **changes):
    """The command line's options as an object."""
    return SimpleNamespace(**{"count": count, "first": 0, "seed": 7, "only": "", "check": 0.0,
                              "keep": folder / "found", **changes})


@pytest.mark.parametrize("count", [25, pytest.param(1000, marks=pytest.mark.slow)])
def test_mutated_cases_are_read_or_refused(tmp_path, count):
    """A new seed is a search; this one is a regression test. The first 25 take three seconds."""
    cases = fuzz.seeds(tmp_path / "seeds")
    results, faults = fuzz.watch(options(tmp_path, count), cases, tmp_path, 1e9)
    assert not faults, (faults, sorted((tmp_path / "found").glob("*/fault.txt")))
    assert sum(results.values()) == count and results["read"] and results["refused"]


def test_the_same_seed_gives_the_same_input(tmp_path):
    cases = [copy(tmp_path, SMALL)]
    made = []
    for name in ("a", "b"):
        what = fuzz.make(5, 3, cases, "", tmp_path / name)
        made.append((what, {p.name: p.read_bytes() for p in (tmp_path / name).iterdir()}))
    assert made[0] == made[1]
    assert fuzz.make(6, 3, cases, "points", tmp_path / "c") == "case: points.csv"


@pytest.mark.parametrize("name", ["a.toml", "a.csv", "a.dat", "a.npy", "a.h5"])
def test_mutations_take_any_contents(name):
    """Empty files, and what earlier mutations have left."""
    mutate, rng = fuzz_mutations.of_file(name), random.Random(name)
    for data in (b"", b"\n", b"a = 1\nb = 'x'\n", bytes(range(256)) * 3):
        for _ in range(100):
            assert isinstance(mutate(rng, data), bytes)


@pytest.mark.parametrize("read, wrong", [
    (lambda folder: None, ""),
    (lambda folder: 1 / 0, "ZeroDivisionError in outside"),
    (lambda folder: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL (a limit of time is SIGALRM)"),
    (lambda folder: (folder / "new").write_text("x"), "files were written"),
    (lambda folder: _refuse("x\x1b[2J"), "an error with control characters"),
    (lambda folder: _refuse("x\n" * 200), "an error of 201 lines, 1 characters"),
    (lambda folder: _refuse("<object at 0x7f>"), "an error that shows 'object at 0x'")],
    ids=["good", "exception", "signal", "written", "control", "long", "internals"])
def test_the_judge_sees_faults(tmp_path, monkeypatch, read, wrong):
    """Planted in the reader; three inputs, one kind, one kept."""
    case = SimpleNamespace(describe=str)
    monkeypatch.setattr(fuzz, "Case", SimpleNamespace(read=lambda path: (read(path), case)[1]))
    cases = [copy(tmp_path, SMALL)]
    results, faults = fuzz.watch(options(tmp_path, 3), cases, tmp_path / "scratch", 1e9)
    assert dict(faults) == ({wrong: 3} if wrong else {}) and sum(results.values()) == 3
    kept = list((tmp_path / "found").glob("*/fault.txt"))
    assert len(kept) == bool(wrong) and all(wrong in path.read_text() for path in kept)


def _refuse(text):
    """Raise the error of a wrong case."""
    raise fuzz.Ekm3dError(text)
