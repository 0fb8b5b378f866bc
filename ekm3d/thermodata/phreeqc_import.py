"""Import of PHREEQC databases as tables of records, reactions rewritten over master species.

Each master species becomes a component, each valence by itself (Fe+2 and Fe+3): nothing is
oxidised or reduced. A reaction written over other species is rewritten over components; with
products p formed by K_p,

    log K(over components) = log K(as written) + sum nu_p log K_p        of a formation
    log K(over components) = log K(as written) - sum nu_p log K_p        of a dissolution,

and likewise delta_h and the analytic expressions. Entries that do not balance, need electrons or
cannot be read are rejected and reported with their lines. Gases are the phases whose name ends in
(g). Where the file gives no diffusion coefficient (-dw), 1e-9 m2/s is assumed.

A file may be a fragment that is laid over another database, its base: its reactions see the base's
species, and its records are written over the base's components.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.chemistry.system import HYDROGEN, WATER
from ekm3d.constants import GAS_CONSTANT, TEMPERATURE
from ekm3d.errors import InputError
from ekm3d.regular_file import contents
from ekm3d.text_file import LARGEST, NotUTF8, decoded
from ekm3d.thermodata import formulas
from ekm3d.thermodata.build import Tables, merge, sites_of
from ekm3d.thermodata.formulas import ELECTRON
from ekm3d.thermodata.phreeqc_parser import MODELS, Entry, PhreeqcFile, parse
from ekm3d.thermodata.records import ASSUMED, analytic, problems

ASSUMED_DIFFUSION = 1e-9       # m2/s, PHREEQC's own default in multicomponent diffusion
MOBILITY = 0.5                 # that of the package's database
SAME_ELEMENT = 0.02            # relative difference of atomic weights of one element
DEBYE_A = 0.51002              # what PHREEQC computes at 25 C and 1 atm


class Unreadable(Exception):
    """Reaction that cannot be imported; the message gives the reason."""


@dataclass
class Reading:
    """Tables of a database, and the parts of the file that are not in them."""

    tables: dict[str, Any]
    skipped: list[tuple[int, str]] = field(default_factory=list)      # (line, text)
    remarks: list[str] = field(default_factory=list)
    name: str = ""                                                    # of the file
    lost: dict[int, Entry] = field(default_factory=dict)              # line -> entry, of `skipped`
    unused: dict[str, list[str]] = field(default_factory=dict)        # record -> its unused options
    blocks: list[str] = field(default_factory=list)                   # that are not read
    lumps: set[str] = field(default_factory=set)                      # elements beside the table


@dataclass(frozen=True)
class Constant:
    """log10 K at 25 C and its temperature dependence: six coefficients, delta_h or none."""

    log_k: float = 0.0
    delta_h: float | None = None                     # kJ/mol
    coefficients: tuple[float, ...] = ()

    def analytic(self) -> np.ndarray:
        """Return the six coefficients; van 't Hoff's equation has A1 and A3."""
        if self.coefficients:
            return np.array(self.coefficients + (0.0,) * (6 - len(self.coefficients)))
        slope = 1e3 * (self.delta_h or 0.0) / (GAS_CONSTANT * np.log(10))
        return np.array([self.log_k + slope / TEMPERATURE, 0.0, -slope, 0.0, 0.0, 0.0])

    def plus(self, other: "Constant", factor: float) -> "Constant":
        """Return the constant of this reaction plus `factor` times the other."""
        log_k = self.log_k + factor * other.log_k
        if self.coefficients or other.coefficients:
            total = self.analytic() + factor * other.analytic()
            return Constant(log_k, None, tuple(total.tolist()))
        if self.delta_h is None and other.delta_h is None:
            return Constant(log_k)
        return Constant(log_k, (self.delta_h or 0.0) + factor * (other.delta_h or 0.0))

    def keys(self) -> dict[str, Any]:
        """Return the keys of a record."""
        keys = {"log_k": _tidy(self.log_k)}
        if self.coefficients:
            keys["log_k_T"] = list(self.coefficients)
        elif self.delta_h:
            keys["delta_h"] = _tidy(self.delta_h)
        return keys


def read_phreeqc(path: str | Path, base: Tables | None = None) -> Reading:
    """Read a PHREEQC database file, or a fragment of one over the tables `base`.

    InputError if it holds no master species and there is no base.
    """
    try:
        text = decoded(contents(path, LARGEST), "replace")      # comments are often Latin-1
    except NotUTF8 as error:
        raise InputError(f"{Path(path).name}: {error}") from None
    return tables_of(parse(text), Path(path).name, base)


def tables_of(file: PhreeqcFile, name: str, base: Tables | None = None) -> Reading:
    """Return the Reading of a parsed PhreeqcFile; `name` is the source of its records."""
    if base is None and not file.masters:
        raise InputError(f"{name}: no SOLUTION_MASTER_SPECIES; this is no database of PHREEQC, or "
                         "a fragment of one, to be named in extend")
    if not file.entries and not file.masters:
        raise InputError(f"{name}: none of the blocks of a PHREEQC database")
    for _, element, species, _ in file.masters:
        if element == "H" and species != HYDROGEN:
            raise InputError(f"{name}: the master species of H is {species}, must be {HYDROGEN}, "
                             "the component that counts acidity here")
    return _Assembly(file, name, base).reading


class _Assembly:
    """One pass over masters, species, exchange and phases; its result is a checked `reading`."""

    def __init__(self, file, name, base=None):
        self.source, self.file, self.base = name, file, base
        self.skipped, self.unused, self.lines, self.lost = list(file.skipped), {}, {}, {}
        self.named = {e.name.lower(): _constant(e) for e in file.entries if e.kind == "named"}
        self.lumps = {element.partition("(")[0] for _, element, *_ in file.masters
                      } - formulas.ATOMIC_MASS.keys() | _lumps(base or {})
        self.weights = _weights(file.masters)
        self.defined, reactions = {}, {"species": [], "exchange": [], "phase": []}
        for entry in file.entries:
            if entry.wrong:
                self.skip(entry.line, f"{entry.name}: {entry.wrong}", entry)
            elif entry.kind in reactions:
                reactions[entry.kind].append(entry)
        for entry in reactions["species"]:
            self.defined[entry.right[0][1]] = entry
        self.formed = {WATER: ({WATER: 1.0}, Constant()), ELECTRON: ({ELECTRON: 1.0}, Constant())}
        self.sites = {species for _, _, species in file.sites}
        if base is not None:
            self._stand_on(base)
        self.records = {"component": self.components()}
        self.formed |= {s: ({s: 1.0}, Constant()) for s in self.sites}
        self.records["species"] = list(self.species())
        self.records["exchanger"] = [{"name": species, "source": name}
                                     for _, _, species in file.sites]
        self.lines |= {("exchanger", species): line for line, _, species in file.sites}
        self.records["exchange"] = list(self.exchange(reactions["exchange"]))
        self.records |= {"mineral": [], "gas": []}
        for kind, record in self.phases(reactions["phase"]):
            self.records[kind].append(record)
        tables = self.tables()
        self.reading = Reading(tables, sorted(self.skipped), self.remarks(), name, self.lost,
                               self.unused, file.blocks, self.lumps)

    def _stand_on(self, base):
        """Enter what the base forms, so that reactions may be written over it."""
        self.formed |= {r["name"]: ({r["name"]: 1.0}, Constant()) for r in base["component"]}
        for record in base.get("species", []):
            if record["name"] not in self.defined:
                self.formed[record["name"]] = (
                    {c: float(n) for c, n in record["reaction"].items()}, _constant_of(record))
        self.sites |= set(sites_of(base))

    def skip(self, line, text, entry=None):
        """Note an entry that is not imported, with the reason."""
        self.skipped.append((line, text))
        if entry is not None:
            self.lost[line] = entry

    def components(self):
        """Return one record per master species but water, the electron and alkalinity."""
        records = {}
        for line, element, species, words in self.file.masters:
            if species in (WATER, ELECTRON) or element == "Alkalinity" or species in records:
                continue
            formula = formulas.parse(species, self.lumps)
            if formula is None:
                self.skip(line, f"{species}: cannot be read as a chemical formula")
                continue
            elements, charge = formula
            mass = formulas.molar_mass(elements, self.weights) or _last_number(words)
            if mass is None:
                self.skip(line, f"{species}: no formula weight")
                continue
            self.formed[species] = {species: 1.0}, Constant()
            self.lines["component", species] = line
            records[species] = {"name": species, "charge": charge, "molar_mass": _tidy(mass),
                                "elements": elements,
                                **self.ion(species, self.defined.get(species)),
                                "source": self.at(line)}
        return list(records.values())

    def at(self, line):
        """Return the source of a record: file and line."""
        return f"{self.source}, line {line}"

    def ion(self, name, entry):
        """Return the diffusion and activity parameters of an entry."""
        keys = {"diffusion": ASSUMED_DIFFUSION, "note": ASSUMED}
        if entry and entry.diffusion is not None:
            keys = {"diffusion": entry.diffusion}
        return keys | self.coefficients(name, entry)

    def coefficients(self, name, entry):
        """Return the activity parameters of an entry, None without one."""
        if entry and entry.unused:
            self.unused[name] = entry.unused
        if not entry or not (entry.gamma or entry.law):
            return {}
        return dict(zip(("size", "linear"), entry.gamma, strict=False)) | (
            {"gamma": entry.law} if entry.law else {})

    def formation(self, name, asked=()):
        """Return ({component: coefficient}, Constant) of the formation of one `name`."""
        if name not in self.formed:
            if name in asked:
                raise Unreadable(f"{name} is defined by way of itself")
            if name not in self.defined:
                raise Unreadable(f"{name} is not defined")
            entry = self.defined[name]
            self.formed[name] = self.per_unit(entry, entry.right, entry.left, 1.0, (*asked, name))
        return self.formed[name]

    def per_unit(self, entry, side, other_side, sign, asked=()):
        """Return the reaction over components of one unit of the first species of `side`.

        sign: 1 of a formation, -1 of a dissolution; asked: species whose formation asks for it.
        """
        factor, _ = side[0]
        reaction = [*other_side, *((-n, s) for n, s in side[1:])]
        reaction = [(n / factor, s) for n, s in reaction]
        constant = Constant().plus(self.constant(entry), 1 / factor)
        return self.over_components(reaction, constant, sign, asked)

    def over_components(self, reaction, constant, sign, asked=()):
        """Return a reaction over components; sign: 1 of a formation, -1 of a dissolution."""
        total = {}
        for factor, species in reaction:
            parts, formed = self.formation(species, asked)
            constant = constant.plus(formed, sign * factor)
            for component, n in parts.items():
                total[component] = total.get(component, 0.0) + factor * n
        return {c: n for c, n in total.items() if abs(n) > 1e-10}, constant

    def constant(self, entry):
        """Return the Constant of an entry as written."""
        if entry.log_k is None and not entry.analytic and not entry.added:
            raise Unreadable("no log_k")
        constant = _constant(entry)
        for name, factor in entry.added:
            if name and name.lower() not in self.named:
                raise Unreadable(f"the named expression {name} is not defined")
            other = self.named[name.lower()] if name else Constant(1.0)
            constant = constant.plus(other, factor)
        return constant

    def reaction(self, kind, name, entry, make):
        """Return the keys common to all reactions, or None where it cannot be imported.

        make(): ({component: coefficient}, Constant).
        """
        try:
            parts, constant = make()
            if ELECTRON in parts:
                raise Unreadable("needs electrons: valences are components of their own here")
        except Unreadable as error:
            return self.skip(entry.line, f"{name}: {error}", entry)
        self.lines[kind, name] = entry.line
        return {"name": name, "reaction": {c: _tidy(n) for c, n in parts.items()},
                **constant.keys(), "source": self.at(entry.line)}

    def species(self):
        """Yield the records of dissolved species."""
        for name, entry in self.defined.items():
            if name in self.formed and self.formed[name][0] == {name: 1.0}:
                continue
            record = self.reaction("species", name, entry, partial(self.formation, name))
            if record:
                yield record | self.ion(name, entry)

    def exchange(self, entries):
        """Yield the records of exchange species."""
        for name, entry in {e.right[0][1]: e for e in entries}.items():
            if name in self.sites:
                continue
            make = partial(self.per_unit, entry, entry.right, entry.left, 1.0)
            record = self.reaction("exchange", name, entry, make)
            if record:
                yield record | self.coefficients(name, entry)

    def phases(self, entries):
        """Yield (kind, record) of minerals and gases."""
        taken = {r["name"] for kind in ("component", "species") for r in self.records[kind]}
        for name, entry in {e.name: e for e in entries}.items():
            kind = "gas" if name.endswith("(g)") else "mineral"
            title = f"{name}(s)" if name in taken else name
            make = partial(self.per_unit, entry, entry.left, entry.right, -1.0)
            record = self.reaction(kind, title, entry, make)
            if record:
                record["formula"] = entry.left[0][1]
                if kind == "mineral" and entry.volume:
                    record["molar_volume"] = entry.volume
                yield kind, record

    def tables(self):
        """Return the tables, without the records that fail a check of `records`."""
        while True:
            records = {kind: rows for kind, rows in self.records.items() if rows}
            own = records | self.models(records)
            whole = own if self.base is None else merge([("base", self.base), ("", own)])[0]
            wrong = {}
            for place, text in problems(whole):
                kind, number = place if len(place) == 2 else ("", 0)
                name = whole[kind][number]["name"] if kind else ""
                if (kind, name) not in self.lines:
                    raise InputError(f"{self.source}: {text}")
                wrong.setdefault((kind, name), text)
            if not wrong:
                return own
            entries = {entry.line: entry for entry in self.file.entries}
            for (kind, name), text in wrong.items():
                line = self.lines[kind, name]
                self.skip(line, text, entries.get(line))
            for kind, rows in records.items():
                self.records[kind] = [r for r in rows if (kind, r["name"]) not in wrong]

    def models(self, records):
        """Return the tables beside records; of a fragment the activity model alone, if it has one.
        """
        activity = {"model": "davies", "A": DEBYE_A, "neutral": 0.1, "water_activity": 0.017,
                    "source": "PHREEQC"}
        block = next((name for name in MODELS if name in self.file.blocks), None)
        if block:
            activity["model"] = block
        elif self.file.llnl:
            activity |= {"model": "llnl", **self.file.llnl}
        elif any("size" in r for rows in records.values() for r in rows):
            activity["model"] = "wateq"
        if self.base is None:
            return {"meta": {"title": self.source, "source": "a database of PHREEQC"},
                    "activity": activity,
                    "mobility": {"model": "sqrt", "coefficient": MOBILITY}}
        of_base = self.base["activity"].get("source") == activity["source"]
        takes = block or self.file.llnl or (activity["model"] == "wateq" and of_base
                                            and self.base["activity"]["model"] == "davies")
        return {"activity": activity} if takes else {}

    def remarks(self):
        """Return remarks on records that are imported in part."""
        assumed = [r["name"] for kind in ("component", "species")
                   for r in self.records[kind] if r.get("note") == ASSUMED]
        count = Counter(option for options in self.unused.values() for option in options)
        remarks = [f"{option} of {n} records is not used" for option, n in sorted(count.items())]
        if assumed:
            remarks.append(f"{len(assumed)} components and species have no -dw: 1e-9 m2/s assumed")
        return remarks


def _lumps(tables):
    """Return the symbols of a database that are not those of the periodic table."""
    elements = {symbol for record in tables.get("component", [])
                for symbol in formulas.of_component(record)}
    return elements - formulas.ATOMIC_MASS.keys()


def _constant_of(record):
    """Return the Constant of a record."""
    return Constant(record["log_k"], record.get("delta_h"), tuple(record.get("log_k_T", ())))


def _constant(entry):
    """Return the Constant of an entry: of its analytic expression if it has one, as in PHREEQC."""
    if entry.analytic:
        return Constant(analytic(entry.analytic, TEMPERATURE), None, entry.analytic)
    return Constant(entry.log_k or 0.0, entry.delta_h)


def _weights(masters):
    """Return {symbol: g/mol} of the file's elements that are not those of the periodic table."""
    weights = {element: _last_number(words[1:]) for _, element, _, words in masters
               if "(" not in element}
    return {symbol: mass for symbol, mass in weights.items() if mass and abs(
        mass / formulas.ATOMIC_MASS.get(symbol, 1e-9) - 1) > SAME_ELEMENT}


def _last_number(words):
    """Return the last number of a list of words if it is above 0, else None."""
    numbers = [float(w) for w in words if w.replace(".", "", 1).isdigit()]
    return numbers[-1] if numbers and numbers[-1] > 0 else None


def _tidy(value):
    """Return the number without rounding errors of sums, an integer where it is one."""
    value = float(f"{value:.12g}")
    return int(value) if value.is_integer() else value
