"""`ekm3d database`: list the thermodynamic data, show records with every number and source.

Without --file it is the package's database. A file that is complete in itself, PHREEQC's
databases included, is shown as it is; one that only adds and overrides, on top of the package's.
"""

import argparse
import sys
from typing import Any

from ekm3d.chemistry.system import WATER
from ekm3d.cli.help_page import page
from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest
from ekm3d.text_table import table
from ekm3d.thermodata import load
from ekm3d.thermodata.build import build, merge, not_computed, sites_of
from ekm3d.thermodata.groups import group_of
from ekm3d.thermodata.records import KEYS, REFUSED
from ekm3d.thermodata.suspects import suspects

Record = dict[str, Any]             # one table of a database file
Tables = dict[str, Any]             # kind -> records, and tables such as [activity]
Kinds = list[tuple[str, Record]]    # records, each with its kind

UNITS = {"molar_mass": "g/mol", "diffusion": "m2/s", "delta_h": "kJ/mol", "log_k": "at 25 C",
         "molar_volume": "cm3/mol", "size": "angstrom", "linear": "kg/mol",
         "uncertainty": "log10 units", "log_k_T": "A1 to A6, T in K"}
PLURALS = {"component": "components", "species": "species", "exchanger": "exchangers",
           "exchange": "exchange species", "mineral": "minerals", "gas": "gases"}
SOURCE_WIDTH = 60


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d database`."""
    parser = commands.add_parser("database", **page(
        f"list and show thermodynamic data\n{__doc__.partition(chr(10) * 2)[2]}",
        "ekm3d database LaSO4+     a record with its source",
        "ekm3d database --components La+3 SO4-2 H+     all that these form",
        "ekm3d database LaX3 --toml     to copy into a file of your own"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="records to show, any case")
    parser.add_argument("--kind", choices=KEYS, help="kind of the records to show")
    parser.add_argument("--components", nargs="+", metavar="NAME",
                        help="everything that can form among these")
    parser.add_argument("--file", metavar="FILE", help="a database.toml, or a .dat of PHREEQC")
    parser.add_argument("--toml", action="store_true",
                        help="print TOML, to copy into a file of your own and change")


def command(args: argparse.Namespace) -> int:
    """Print the report; InputError for bad input."""
    try:
        print("\n".join(report(args)))
    except BrokenPipeError:             # the reader, `head` for one, has read enough
        sys.stderr.close()
    except OSError as error:
        raise InputError(f"ekm3d: cannot read {args.file}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(str(error)) from None
    return 0


def report(args: argparse.Namespace) -> list[str]:
    """Return the lines to print.

    OSError where the file cannot be read, ValueError for unknown names or a wrong database.
    """
    tables, title, reading = _database(args.file)
    kinds = [args.kind] if args.kind else list(KEYS)
    records = [(kind, r) for kind in kinds for r in tables.get(kind, [])]
    if args.components:
        records = _formed(tables, records, _found(tables, args.components, ["component"]))
    if args.names:
        wanted = _found(tables, args.names, kinds)
        records = [(kind, r) for kind, r in records if r["name"] in wanted]
        if not records:
            raise InputError("none of these can form among the components given")
    if args.toml:
        return [line for kind, record in records for line in (*toml(kind, record), "")]
    if args.names:
        return [line for kind, record in records for line in (*_shown(kind, record), "")]
    if args.kind or args.components:
        return [title, *(line for kind in kinds
                         for line in _listed(kind, [r for k, r in records if k == kind]))]
    doubts = [f"  {text}" for text in suspects(tables)]
    return [title, *_overview(tables), *_left_out(tables, reading),
            *(["", f"suspect constants ({len(doubts)}):", *doubts] if doubts else [])]


def _database(file: str | None) -> tuple[Tables, str, Any]:
    """Return (tables, title, reading): checked tables of the package's database or a file.

    reading: the import of a PHREEQC file, None otherwise. DatabaseError for a wrong database.
    """
    if file is None:
        tables, origins = load.combined(load.PACKAGE)
        title, reading = "the package's database", None
    else:
        base = load.combined(load.PACKAGE)[0] if load.is_fragment(file) else None
        parts, reading = load.load(file, base)
        complete = {"activity", "mobility", "component"} <= set(parts[0][1])
        tables, origins = merge(parts if complete else [*load.package(), *parts])
        title = file if complete else f"the package's database, extended by {file}"
    model = tables["activity"].get("model") if isinstance(tables.get("activity"), dict) else None
    build(tables, origins=origins, activity="davies" if model in REFUSED else None)
    return tables, title, reading


def _found(tables: Tables, names: list[str], kinds: list[str]) -> set[str]:
    """Return the names as the database writes them; upper and lower case are equal.

    InputError lists the unknown ones.
    """
    known: dict[str, set[str]] = {}
    for kind in kinds:
        for record in tables.get(kind, []):
            for name in (record.get("label"), record["name"]):
                if name:
                    known.setdefault(name.lower(), set()).add(record["name"])
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        every = [r["name"] for kind in kinds for r in tables.get(kind, [])]
        raise InputError("\n".join(
            f"no {PLURALS[kinds[0]] if len(kinds) == 1 else 'record'} {quoted(name)} in the "
            "database"
            + (suggest(name, every) if len(every) < 50 or "did you" in suggest(name, every) else "")
            for name in unknown))
    return {full for name in names for full in known[name.lower()]}


def _formed(tables: Tables, records: Kinds, components: set[str]) -> Kinds:
    """Return the records that need nothing but these components, water and sites."""
    reactants = components | {WATER} | set(sites_of(tables))

    def fits(kind: str, record: Record) -> bool:
        if kind == "component":
            return record["name"] in components
        return kind == "exchanger" or set(record["reaction"]) <= reactants
    return [(kind, record) for kind, record in records if fits(kind, record)]


def reaction(kind: str, record: Record) -> str:
    """Return the reaction as text, dissolution with the solid on the left: "H2O = OH- + H+"."""
    left = [(n, name) for name, n in record["reaction"].items() if n > 0]
    right = [(-n, name) for name, n in record["reaction"].items() if n < 0]
    product = (1, record["name"])
    if kind in ("mineral", "gas"):
        left, right = [product, *right], left
    else:
        right = [product, *right]
    return " = ".join(" + ".join((f"{n:g} " if n != 1 else "") + name for n, name in side)
                      for side in (left, right))


def _overview(tables: Tables) -> list[str]:
    """Return the number of records of every kind, the components by group, and examples."""
    lines = table([(PLURALS[kind], len(tables[kind])) for kind in KEYS if tables.get(kind)], "<>")
    groups: dict[str, list[str]] = {}
    for record in tables["component"]:
        groups.setdefault(group_of(record) or "other", []).append(record["name"])
    return [*lines, "", "components", *table([(g, " ".join(n)) for g, n in groups.items()], "<<"),
            "", "ekm3d database --kind mineral        lists a kind",
            "ekm3d database --components La+3 SO4-2 H+        lists what these form",
            "ekm3d database LaSO4+        shows a record"]


def _left_out(tables: Tables, reading: Any) -> list[str]:
    """Return remarks on a PHREEQC file and its entries that are not in the database."""
    if reading is None:
        return []
    model = tables["activity"]["model"]
    refused = [not_computed(model)] if model in REFUSED else []
    heading = [f"not taken over ({len(reading.skipped)}):"] if reading.skipped else []
    return ["", *refused, *reading.remarks, *heading,
            *(f"  line {line}: {text}" for line, text in reading.skipped)]


def _listed(kind: str, records: list[Record]) -> list[str]:
    """Return a table of the records of one kind."""
    if not records:
        return []
    rows: list[tuple[Any, ...]]
    if kind == "component":
        rows = [("name", "label", "group", "g/mol", "D m2/s", "source")]
        rows += [(r["name"], r.get("label", r["name"]), group_of(r),
                  f"{r['molar_mass']:g}", f"{r['diffusion']:.3g}", _short(r["source"]))
                 for r in records]
        align = "<<<>><"
    elif kind == "exchanger":
        rows = [("name", "convention")]
        rows += [(r["name"], r.get("convention", "gaines-thomas")) for r in records]
        align = "<<"
    else:
        rows = [("name", "reaction", "log K", "+-", "source")]
        rows += [(r["name"], reaction(kind, r), f"{r['log_k']:g}",
                  f"{r['uncertainty']:g}" if "uncertainty" in r else "", _short(r["source"]))
                 for r in records]
        align = "<<>><"
    heading = PLURALS[kind] if len(records) != 1 or kind == "exchange" else kind
    return ["", f"{len(records)} {heading}", *table(rows, align)]


def _short(text: str) -> str:
    return text if len(text) <= SOURCE_WIDTH else text[:SOURCE_WIDTH - 3] + "..."


def _shown(kind: str, record: Record) -> list[str]:
    """Return a record with every number and its source."""
    rows = []
    for key, value in record.items():
        if key == "reaction":
            value = reaction(kind, record)
        elif key == "elements":
            value = " ".join(f"{symbol} {count:g}" for symbol, count in value.items())
        elif isinstance(value, list):
            value = " ".join(f"{v:.10g}" for v in value)
        if key != "name":
            rows.append((key.replace("_", " "), f"{value} {UNITS.get(key, '')}".rstrip()))
    return [f"{record['name']}: {kind}", *table(rows, "<<")]


def toml(kind: str, record: Record) -> list[str]:
    """Return the record as a table of a database file, in lines."""
    return [f"[[{kind}]]", *(f"{key} = {_value(value)}" for key, value in record.items())]


def _value(value: Any) -> str:
    """Return a value as TOML text."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{k}" = {_value(v)}' for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
