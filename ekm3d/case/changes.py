"""Differences between two versions of a case: what a run may be resumed with, and what not.

Titles, [output] and all that has not begun yet may change: later stages, and the end of the present
one. Everything else would make the results those of no case at all. Values are compared in SI
units, so that "10 min" is 600 s; files that a case names by what was read from them.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from ekm3d.case.case_data import CaseData
from ekm3d.case.schema import CaseFile
from ekm3d.case.toml_tables import parse
from ekm3d.case.toml_text import load

FREE = ("title", "description", "folders", "output")
SECTIONS = ("grid", "chemistry", "ore", "water", "electrodes", "wells", "sides",
            "sampling", "probes", "rates", "response", "mobility")
STAGE = "schedule.stage"
Record = dict[str, Any]


def record(case: CaseData) -> Record:
    """Return what a later version is compared with, as data for JSON."""
    data, problems = load(case.text, case.overrides)
    parsed = parse(CaseFile, data, problems)
    keys = dict(_flat(json.loads(json.dumps(parsed.model_dump(), default=str))))
    plan = case.schedule
    turns = [[n, turn.duration] for n, turn in zip(plan.sequence, plan.run_stages, strict=True)]
    return {"sequence": turns, "text": case.text, "overrides": list(case.overrides), "keys": keys,
            "data": {name: _digest(getattr(case, name)) for name in SECTIONS}}


def differences(before: Record, now: Record, time: float) -> list[str]:
    """Return the changes that a run which has come to `time` [s] cannot take, one line each."""
    old, new = before["keys"], now["keys"]
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    lines = [f"{key}: {_shown(old.get(key))} -> {_shown(new.get(key))}" for key in changed
             if key.split(".")[0] not in FREE and not _is_ahead(key, before, now, time)]
    if not changed or not lines:
        lines += [f"[{name}]: a file that the case names holds other data" for name in SECTIONS
                  if before["data"][name] != now["data"][name]]
    return lines


def _is_ahead(key: str, before: Record, now: Record, time: float) -> bool:
    """Return True for a key of a stage that has not begun at `time`, or for the end of this one.

    The end of a stage that is repeated is part of the past.
    """
    if not key.startswith(STAGE + "."):
        return False
    number, _, rest = key.removeprefix(STAGE + ".").partition(".")
    slack = 1e-9 * max(time, 1.0)
    begin, end = _first(before["sequence"], int(number))
    if begin >= time - slack:
        return True
    once = all([n for n, _ in each["sequence"]].count(int(number)) == 1 for each in (before, now))
    new_end = _first(now["sequence"], int(number))[1]
    return rest == "duration" and once and min(end, new_end) >= time - slack


def _first(sequence: list, number: int) -> tuple[float, float]:
    """Return begin and end [s] of a stage's first turn; of the whole where it has none."""
    at = 0.0
    for n, duration in sequence:
        if n == number:
            return at, at + duration
        at += duration
    return at, at


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of everything in nested tables and lists."""
    if isinstance(value, dict):
        parts: Any = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        if value is not None:
            yield path, value
        return
    for key, part in parts:
        yield from _flat(part, f"{path}.{key}".lstrip("."))


def _shown(value: Any) -> str:
    text = "not given" if value is None else f"{value:.10g}" if isinstance(value, float) \
        else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _digest(value: Any) -> str:
    """Return the SHA-256 of plain data: data classes, dictionaries, lists, arrays, numbers, text.
    """
    digest = hashlib.sha256()
    for piece in _pieces(value):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    if is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__.encode()
        for field in fields(value):
            yield field.name.encode()
            yield from _pieces(getattr(value, field.name))
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield str(key).encode()
            yield from _pieces(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"{len(value)} of".encode()
        for part in value:
            yield from _pieces(part)
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        yield f"{value.dtype}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif hasattr(value, "__dict__") and type(value).__module__.startswith("ekm3d."):
        yield from _pieces(vars(value))
    else:
        yield (repr(value) if not callable(value) else value.__qualname__).encode()
