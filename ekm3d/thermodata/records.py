"""Records of a thermodynamic database: their keys, units and checks.

Reactions are written over the components, constants as log10 at 25 C and 1 atm:

    species     sum nu_i component_i + w H2O = species                    (formation)
    exchange    component + z X- = exchange species                       (half reaction)
    mineral     mineral = sum nu_i component_i + w H2O                    (dissolution)
    gas         gas [atm] = sum nu_i component_i + w H2O                  (dissolution)

Units: molar_mass g/mol, diffusion m2/s in free water at 25 C, delta_h kJ/mol of the reaction,
molar_volume cm3/mol, size angstrom and linear kg/mol of the ion in the WATEQ equation,

    log10 g = -A z2 sqrt I/(1 + B size sqrt I) + linear I;

without them ions have Davies' coefficients and exchange species none (z: the sites they take).
`gamma` names another law: "davies", "llnl" (size alone; A, B and the linear term of all ions from
the tables of [activity]; 1 for z = 0) or "co2" (Drummond's, with the coefficients there).

uncertainty in log10 units. log_k_T holds A1 to A6 of the analytic expression

    log10 K = A1 + A2 T + A3/T + A4 log10 T + A5/T2 + A6 T2               T in K.

A reaction must balance in charge and in mass: a name or `formula` that can be read as a chemical
formula is compared with it element by element.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from ekm3d.chemistry.ion_exchange import CONVENTIONS
from ekm3d.chemistry.system import SITE, WATER, unknown
from ekm3d.constants import TEMPERATURE
from ekm3d.quoting import quoted
from ekm3d.thermodata import formulas

OF_REACTIONS = {"formula", "delta_h", "log_k_T", "uncertainty", "note"}
COEFFICIENTS = {"size", "linear", "gamma"}
KEYS = {                       # record -> its required and its optional keys
    "component": ({"name", "charge", "molar_mass", "diffusion", "source"},
                  {"label", "group", "elements", "note"} | COEFFICIENTS),
    "species": ({"name", "reaction", "log_k", "diffusion", "source"},
                OF_REACTIONS | {"charge"} | COEFFICIENTS),
    "exchanger": ({"name"}, {"convention", "source", "note"}),
    "exchange": ({"name", "reaction", "log_k", "source"}, OF_REACTIONS | COEFFICIENTS),
    "mineral": ({"name", "reaction", "log_k", "source"}, OF_REACTIONS | {"molar_volume"}),
    "gas": ({"name", "reaction", "log_k", "source"}, OF_REACTIONS),
}
IONS = {"A", "neutral", "water_activity"}
TABULATED = {"temperatures", "dh_a", "dh_b", "bdot"}       # C, and numbers at these
MODELS = {                     # table -> its models and the numbers each of them needs
    "activity": {"davies": IONS, "ideal": {"water_activity"}, "wateq": IONS,
                 "llnl": IONS | TABULATED},
    "mobility": {"sqrt": {"coefficient"}},
}
REFUSED = ("PITZER", "SIT")    # models that a PHREEQC database has and this program has not
LISTS = TABULATED | {"co2"}
ASSUMED = "no -dw in the file: 1e-9 m2/s assumed"      # note of an imported species
GAMMAS = ("davies", "llnl", "co2")
TEXTS = ("label", "group", "source", "note", "formula", "gamma")
RANGES = {                     # key -> lowest and highest size of a number other than 0
    "molar_mass": (1e-3, 1e6), "charge": (1e-3, 100.0), "log_k": (0.0, 300.0),
    "delta_h": (0.0, 3000.0), "size": (0.0, 30.0), "linear": (0.0, 10.0),
    "molar_volume": (1.0, 1e4), "uncertainty": (0.0, 10.0)}
POSITIVE = {"molar_mass": "g/mol", "molar_volume": "cm3/mol"}
MOST = {"component": 1000, "": 20_000}          # records of a kind
NAME_RULE = ("it must have a letter or a digit before its charge, no control character, and at "
             "most 200 characters")
AGREEMENT = 0.1                # between log_k and log_k_T at 25 C


def analytic(coefficients: Iterable[float], T: float) -> float:
    """Return log10 K = A1 + A2 T + A3/T + A4 log10 T + A5/T2 + A6 T2, T in K; missing A are 0."""
    terms = (1.0, T, 1 / T, math.log10(T), T**-2, T**2)
    return sum(a * term for a, term in zip(coefficients, terms, strict=False))


def problems(data: Mapping[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    """Return all problems of the parsed tables of a database: (place, text) each.

    A place is a tuple of keys and list numbers of the tables: ("species", 3).
    """
    return _Checks(data).problems


class _Checks:
    """One pass over the tables; components first, as reactions are written over them."""

    def __init__(self, data):
        self.problems, self.place, self.activity = [], (), {}
        for table in data:
            if table not in ("meta", *MODELS, *KEYS):
                self.place = (table,)
                self.add(unknown("table", table, ("meta", *MODELS, *KEYS)))
        for table, models in MODELS.items():
            self.place = (table,)
            self.model(table, data.get(table), models)
        self.charges, self.names = {}, {}
        self.compositions = {WATER: formulas.WATER_ELEMENTS}
        self.sites = set() if data.get("exchanger") else {SITE}
        records = {}
        for kind in KEYS:
            self.place = (kind,)
            records[kind] = data.get(kind, [])
            if not isinstance(records[kind], list):
                self.add(f"[{kind}]: must be a list of records, each headed [[{kind}]]")
                records[kind] = []
            most = MOST.get(kind, MOST[""])
            if len(records[kind]) > most:
                self.add(f"{len(records[kind])} records [[{kind}]], more than the {most} that "
                         "are read")
                records[kind] = []
        self.place = ("component",)
        if not records["component"]:
            self.add("no [[component]]: at least one is needed")
        for kind in KEYS:
            for number, record in enumerate(records[kind], 1):
                self.place = (kind, number - 1)
                self.record(kind, number, record)
        self.labels(records["component"])

    def add(self, problem):
        """Add a problem of the record or table that is being checked."""
        self.problems.append((self.place, problem))

    def labels(self, components):
        """Check that every label belongs to one component."""
        labels = [r.get("label", r.get("name")) for r in components if isinstance(r, dict)]
        self.place = ("component",)
        for label in sorted({str(v) for v in labels if labels.count(v) > 1}):
            self.add(f"component label '{label}': given to more than one component")

    def model(self, table, values, models):
        """Check [activity] or [mobility]."""
        if not isinstance(values, dict):
            return self.add(f"[{table}] is missing: give model = {_one_of(models)} and its numbers")
        model = values.get("model")
        if table == "activity" and model in REFUSED:
            models = models | {model: IONS}
        if not isinstance(model, str) or model not in models:
            return self.add(f"[{table}]: model = {quoted(model)}, must be {_one_of(models)}")
        self.activity = values if table == "activity" else self.activity
        known = {key for needed in models.values() for key in needed} | {"model", "source"}
        known |= {"co2"} if table == "activity" else set()
        for key in values:
            if key not in known:
                self.add(f"[{table}]: {unknown('key', key, known)}")
        for key in sorted(set(values) & LISTS | models[model] & LISTS):
            wanted = 5 if key == "co2" else len(values.get("temperatures") or ())
            if not isinstance(values.get(key), list) or not all(map(is_number, values[key])) \
                    or len(values[key]) != max(wanted, 1):
                self.add(f"[{table}]: {key} = {quoted(values.get(key))}, must be a list of "
                         f"{max(wanted, 1)} numbers")
        for key in sorted(models[model] - LISTS):
            if not is_number(values.get(key)) or values[key] < 0:
                self.add(f"[{table}]: {key} = {quoted(values.get(key))}, must be a number >= 0")

    def record(self, kind, number, record):
        """Check one record and enter its name, charge and elements."""
        name = record.get("name") if isinstance(record, dict) else None
        if not isinstance(name, str) or not name:
            return self.add(f"{kind} {number}: has no name")
        if not is_name(name):
            return self.add(f"{kind} {number}: {quoted(name)} is no name: {NAME_RULE}")
        where = f"{kind} '{name}'"
        required, optional = KEYS[kind]
        for key in record:
            if key not in required | optional:
                self.add(f"{where}: {unknown('key', key, required | optional)}")
        for key in sorted(required - set(record)):
            self.add(f"{where}: {key} is missing")
        if name == WATER or (name == SITE and kind != "exchanger"):
            self.add(f"{where}: the name is reserved")
        if name in self.names:
            self.add(f"{where}: the name is already taken by a {self.names[name]}")
        self.names.setdefault(name, kind)
        self.numbers(where, record)
        for key in TEXTS:
            if key in record and not isinstance(record[key], str):
                self.add(f"{where}: {key} = {quoted(record[key])}, must be text")
        if kind == "component":
            self.component(where, record)
        elif kind == "exchanger":
            self.exchanger(where, record)
        elif "reaction" in record:
            self.reaction(kind, where, record)

    def numbers(self, where, record):
        """Check that every number is one, and of a possible size."""
        for key in ("diffusion", *RANGES):
            if key in record and not is_number(record[key]):
                self.add(f"{where}: {key} = {quoted(record[key])}, must be a number")
        for key, unit in POSITIVE.items():
            if is_number(record.get(key)) and record[key] <= 0:
                self.add(f"{where}: {key} = {record[key]} {unit}, must be positive")
        for key, (low, high) in RANGES.items():
            value = record.get(key)
            if is_number(value) and value and not low <= abs(value) <= high:
                self.add(f"{where}: {key} = {value}, must be at most {high:g}"
                         + f" and not below {low:g}" * (low > 0))
        for key in ("size", "uncertainty"):
            if is_number(record.get(key)) and record[key] < 0:
                self.add(f"{where}: {key} = {record[key]}, must not be negative")
        if is_number(record.get("diffusion")) and record["diffusion"] < 0:
            self.add(f"{where}: diffusion = {record['diffusion']} m2/s, must not be negative")
        if is_number(record.get("diffusion")) and record["diffusion"] > 1e-7:
            self.add(f"{where}: diffusion = {record['diffusion']} m2/s, must be about 1e-9")
        self.law(where, record)
        self.analytic(where, record)

    def law(self, where, record):
        """Check that the law of the activity coefficient has its numbers."""
        law, given = record.get("gamma"), {"size", "linear"} & set(record)
        if law is None and len(given) == 1:
            self.add(f"{where}: size and linear belong together, give both or neither")
        elif law is not None and law not in GAMMAS:
            self.add(f"{where}: gamma = {quoted(law)}, must be {_one_of(GAMMAS)}")
        elif law is not None and given != ({"size"} if law == "llnl" else set()):
            self.add(f"{where}: gamma = {quoted(law)} needs " + "a size, and no "
                                                                "linear" * (law == "llnl")
                     + "neither size nor linear" * (law != "llnl"))
        if law == "llnl" and self.activity.get("model") != "llnl":
            self.add(f"{where}: gamma = 'llnl' needs [activity] with model = \"llnl\"")
        if law == "co2" and "co2" not in self.activity:
            self.add(f"{where}: gamma = 'co2' needs the coefficients co2 of [activity]")

    def analytic(self, where, record):
        """Check the coefficients of log K (T) and their value at 25 C."""
        if "log_k_T" not in record:
            return
        values = record["log_k_T"]
        if not isinstance(values, list) or not 1 <= len(values) <= 6 \
                or not all(is_number(v) for v in values):
            return self.add(f"{where}: log_k_T = {quoted(values)}, must be a list of A1 to A6")
        at_25 = analytic(values, TEMPERATURE)
        if is_number(record.get("log_k")) and not abs(at_25 - record["log_k"]) <= AGREEMENT:
            self.add(f"{where}: log_k_T gives {at_25:.3f} at 25 C, but log_k = {record['log_k']}")

    def component(self, where, record):
        """Enter charge and elements; a charge in the name must be the record's."""
        name, elements = record["name"], record.get("elements")
        if is_number(record.get("charge")):
            self.charges.setdefault(name, record["charge"])
            written = formulas.stem(name)[1]
            if written and abs(written - record["charge"]) > 1e-9:
                self.add(f"{where}: charge = {record['charge']}, but the name says {written:+g}")
        if "elements" not in record or (isinstance(elements, dict) and elements and all(
                is_number(v) and v > 0 for v in elements.values())):
            self.compositions.setdefault(name, formulas.of_component(record))
        else:
            self.add(f"{where}: elements = {quoted(elements)}, must be a table "
                     f"{{ symbol = count, ... }}")

    def exchanger(self, where, record):
        """Enter the site; its name is that of an empty site of charge -1."""
        name, convention = record["name"], record.get("convention", CONVENTIONS[0])
        if formulas.stem(name)[1] != -1:
            self.add(f"{where}: must be named as an empty site of charge -1, e.g. \"{SITE}\"")
        if convention not in CONVENTIONS:
            self.add(f"{where}: convention = {quoted(convention)}, must be {_one_of(CONVENTIONS)}")
        self.sites.add(name)

    def reaction(self, kind, where, record):
        """Check that a reaction is written over known components and balances."""
        reaction = record["reaction"]
        if not isinstance(reaction, dict) or not reaction:
            return self.add(f"{where}: reaction must be a table {{ component = coefficient, ... }}")
        known = set(self.charges) | {WATER} | (self.sites if kind == "exchange" else set())
        sound = True
        for name, coefficient in reaction.items():
            if name not in known:
                sound = self.add(f"{where}: {unknown('component', name, known)}")
            elif not is_number(coefficient) or coefficient == 0:
                sound = self.add(f"{where}: coefficient of {name} = {quoted(coefficient)}, "
                                 "must be a number other than 0")
        if sound is None:
            return
        charge = sum(v * self.charges[n] for n, v in reaction.items() if n in self.charges)
        before = len(self.problems)
        if kind == "species" and is_number(record.get("charge")):
            if abs(charge - record["charge"]) > 1e-9:
                self.add(f"{where}: charge = {record['charge']}, but the reaction gives {charge:g}")
        if kind in ("mineral", "gas") and abs(charge) > 1e-9:
            self.add(f"{where}: the reaction has charge {charge:g}, must be 0")
        if kind == "exchange":
            self.exchange(where, reaction, charge)
        if len(self.problems) == before:
            self.mass(kind, where, record, charge)

    def exchange(self, where, reaction, charge):
        """Check the sites that a half reaction takes."""
        taken = [site for site in reaction if site in self.sites]
        site = min(taken or self.sites, default=SITE)
        sites = reaction.get(site, 0)
        if len(taken) > 1:
            self.add(f"{where}: takes sites of {' and '.join(taken)}, must be of one exchanger")
        elif sites <= 0:
            self.add(f"{where}: takes no sites, give {site} = {charge:g}")
        elif abs(charge - sites) > 1e-9:
            self.add(f"{where}: {sites:g} {site} for a charge of {charge:g}, "
                     f"must be {site} = {charge:g}")
        if WATER in reaction:
            self.add(f"{where}: {WATER} cannot take part in exchange")

    def mass(self, kind, where, record, charge):
        """Compare the formula, or a name that is one, with the elements of the reaction."""
        text = record.get("formula", record["name"])
        compositions = dict(self.compositions)
        for site in self.sites:
            compositions[site] = {formulas.stem(site)[0]: 1.0}
        lumps = {symbol for elements in compositions.values() for symbol in elements
                 } - formulas.ATOMIC_MASS.keys()
        if not isinstance(text, str) or not set(record["reaction"]) <= compositions.keys():
            return
        formula = formulas.parse(text, lumps)
        if formula is None:
            if "formula" in record:
                self.add(f"{where}: formula = {quoted(text)} cannot be read as a chemical formula")
            return
        elements, written = formula
        wrong = formulas.difference(
            elements, formulas.of_reaction(record["reaction"], compositions))
        if wrong:
            self.add(f"{where}: the formula {text} has {wrong}")
        if kind == "species" and "charge" not in record and abs(written - charge) > 1e-9:
            self.add(f"{where}: the formula {text} has charge {written:g}, "
                     f"but the reaction gives {charge:g}")


def is_number(value: object) -> TypeGuard[float]:
    """Return True for a number that a float can represent."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) < 1e300


def is_name(name: str) -> bool:
    """Return True for a name that can stand in reactions, formulas and messages."""
    return len(name) <= formulas.LONGEST and name.isprintable() and bool(formulas.stem(name)[0])


def _one_of(names):
    return " or ".join(f'"{name}"' for name in names)
