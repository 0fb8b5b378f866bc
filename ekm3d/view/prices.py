"""Prices of a plan, read from a TOML file, and the money that a run comes to.

    [prices]
    currency = "USD"
    electricity_per_kWh = 0.09
    ammonium_sulfate_per_t = 130          # any ammonium salt: per tonne of the salt
    water_per_m3 = 0.4
    [prices.REO_per_kg]                   # by component, or "all"
    LREE = 4.0
    HREE = 60.0

The table may stand in a file of its own (--prices), or as `prices.toml` beside case.toml.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ekm3d.errors import InputError
from ekm3d.suggest import suggest
from ekm3d.text_file import NotUTF8, read_text
from ekm3d.view.run import Run
from ekm3d.view.targets import case_folder

FILE = "prices.toml"
KEYS = ("electricity_per_kWh", "ammonium_sulfate_per_t", "water_per_m3")


@dataclass(frozen=True)
class Prices:
    """Prices in one currency; None: not given. oxides: per kg of REO by component, or "all"."""

    currency: str
    electricity: float | None = None        # per kWh
    salt: float | None = None               # per t of ammonium salt
    water: float | None = None              # per m3
    oxides: dict[str, float] = field(default_factory=dict)


def prices(run: Run, file: Path | None = None) -> Prices | None:
    """Return the prices for a run; None where none are given. InputError for a wrong file."""
    if file is None:
        folder = case_folder(run)
        if folder is None or not (folder / FILE).is_file():
            return None
        file = folder / FILE
    try:
        table = tomllib.loads(read_text(file))
    except FileNotFoundError:
        raise InputError(f"{file} does not exist") from None
    except (OSError, NotUTF8, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{file}: {error}") from None
    table = table.get("prices", table)
    labels = [name for c in run.group("REE") for name in (c.label, c.name)]
    return _checked(file, table, [*labels, "all"])


def _checked(file: Path, table: Any, labels: list[str]) -> Prices:
    """Return the prices of a table; InputError names a wrong key or value."""
    known = ("currency", *KEYS, "REO_per_kg")
    if not isinstance(table, dict):
        raise InputError(f"{file}: [prices] should be a table of {', '.join(known)}")
    oxides = table.get("REO_per_kg", {})
    oxides = oxides if isinstance(oxides, dict) else {"all": oxides}
    for name in table:
        if name not in known:
            raise InputError(f"{file}: unknown key {name!r}{suggest(name, known)}")
    for name in oxides:
        if name not in labels:
            raise InputError(f"{file}: REO_per_kg.{name}: no such rare earth"
                             f"{suggest(name, labels)}")
    for name, value in [*((key, table[key]) for key in KEYS if key in table), *oxides.items()]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise InputError(f"{file}: {name} should be a number of at least 0 (got {value!r})")
    electricity, salt, water = (table.get(key) for key in KEYS)
    return Prices(str(table.get("currency", "money")), electricity, salt, water,
                  {str(name): float(value) for name, value in oxides.items()})
