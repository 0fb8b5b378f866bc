"""Thermodynamic data: a database.toml, checked record by record, as arrays.

Three names have a meaning of their own: "H+" (the component that counts acidity), "H2O" (the
solvent, whose activity is not 1 in brines) and "X-" (an empty site of the exchanger). All others
are the file's. Reactions are written over the components, constants as log10 at 25 C:

    species     sum nu_i component_i + w H2O = species                    (formation)
    exchange    component + z X- = exchange species                       (Gaines-Thomas)
    mineral     mineral = sum nu_i component_i + w H2O                    (dissolution)
"""

import tomllib
from pathlib import Path

import numpy as np

from ekm3d.system import SITE, WATER, Chemistry, unknown

KEYS = {                       # record -> its required and its optional keys
    "component": ({"name", "charge", "molar_mass", "diffusion", "source"}, {"label", "group"}),
    "species": ({"name", "reaction", "log_k", "diffusion", "source"}, {"charge"}),
    "exchange": ({"name", "reaction", "log_k", "source"}, set()),
    "mineral": ({"name", "reaction", "log_k", "source"}, set()),
}
MODELS = {                     # table -> its models and the numbers each of them needs
    "activity": {"davies": {"A", "neutral", "water_activity"}, "ideal": {"water_activity"}},
    "mobility": {"sqrt": {"coefficient"}},
}


class DatabaseError(ValueError):
    """What is wrong with a database: `problems`, (place, text) each.

    A place is a tuple of keys and list numbers of the tables: ("species", 3).
    """

    def __init__(self, name, problems):
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{name}: {text}" for _, text in self.problems))


def read_database(path, components=None, minerals=None):
    """Read database.toml and select from it.

    components: names to keep, in the order wanted (None: all of the file). A species, an
    exchange species or a mineral is kept when all its components are; `minerals` narrows the
    minerals further (None: all that can form; empty: none).
    Raises ValueError with one line per problem, all problems at once.
    """
    return build(read_tables(path), Path(path).name, components, minerals)


def read_tables(path):
    """The tables of a database file, not checked; ValueError if it is not TOML."""
    with open(path, "rb") as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{Path(path).name}: {error}") from None


def build(data, name="database", components=None, minerals=None):
    """The Chemistry of parsed tables (see `read_database`); `name` heads the problems' lines."""
    problems = _Checks(data).problems
    if not problems:
        problems = [((), text) for text in _selection_problems(data, components, minerals)]
    if problems:
        raise DatabaseError(name, problems)
    return _arrays(data, components, minerals)


class _Checks:
    """Collects every problem of the parsed file in `problems`, (place, text) each."""

    def __init__(self, data):
        self.problems, self.place = [], ()
        for table in data:
            if table not in ("meta", *MODELS, *KEYS):
                self.place = (table,)
                self.add(unknown("table", table, ("meta", *MODELS, *KEYS)))
        for table, models in MODELS.items():
            self.place = (table,)
            self.model(table, data.get(table), models)
        self.charges, self.names = {}, {}
        records = {}
        for kind in KEYS:
            self.place = (kind,)
            records[kind] = data.get(kind, [])
            if not isinstance(records[kind], list):
                self.add(f"[{kind}]: must be a list of records, each headed [[{kind}]]")
                records[kind] = []
        self.place = ("component",)
        if not records["component"]:
            self.add("no [[component]]: at least one is needed")
        for kind in KEYS:
            for number, record in enumerate(records[kind], 1):
                self.place = (kind, number - 1)
                self.record(kind, number, record)
        self.labels(records["component"])

    def labels(self, components):
        """Check that every label belongs to one component."""
        labels = [r.get("label", r.get("name")) for r in components if isinstance(r, dict)]
        self.place = ("component",)
        for label in sorted({str(v) for v in labels if labels.count(v) > 1}):
            self.add(f"component label '{label}': given to more than one component")

    def add(self, problem):
        self.problems.append((self.place, problem))

    def model(self, table, values, models):
        """Check [activity] or [mobility]."""
        if not isinstance(values, dict):
            return self.add(f"[{table}] is missing: give model = {_one_of(models)} and its numbers")
        model = values.get("model")
        if not isinstance(model, str) or model not in models:
            return self.add(f"[{table}]: model = {model!r}, must be {_one_of(models)}")
        every = {key for needed in models.values() for key in needed} | {"model", "source"}
        for key in values:
            if key not in every:
                self.add(f"[{table}]: {unknown('key', key, every)}")
        for key in sorted(models[model]):
            if not _is_number(values.get(key)) or values[key] < 0:
                self.add(f"[{table}]: {key} = {values.get(key)!r}, must be a number >= 0")

    def record(self, kind, number, record):
        """Check one record and enter its name and charge."""
        name = record.get("name") if isinstance(record, dict) else None
        if not isinstance(name, str) or not name:
            return self.add(f"{kind} {number}: has no name")
        where = f"{kind} '{name}'"
        required, optional = KEYS[kind]
        for key in record:
            if key not in required | optional:
                self.add(f"{where}: {unknown('key', key, required | optional)}")
        for key in sorted(required - set(record)):
            self.add(f"{where}: {key} is missing")
        if name in (WATER, SITE):
            self.add(f"{where}: the name is reserved")
        if name in self.names:
            self.add(f"{where}: the name is already taken by a {self.names[name]}")
        self.names.setdefault(name, kind)
        for key in ("charge", "log_k", "molar_mass", "diffusion"):
            if key in record and not _is_number(record[key]):
                self.add(f"{where}: {key} = {record[key]!r}, must be a number")
        if _is_number(record.get("molar_mass")) and record["molar_mass"] <= 0:
            self.add(f"{where}: molar_mass = {record['molar_mass']} g/mol, must be positive")
        for key, low, high in (("molar_mass", 1e-3, 1e6), ("charge", 1e-3, 100.0),
                               ("log_k", 0.0, 300.0)):
            value = record.get(key)
            if _is_number(value) and value and not low <= abs(value) <= high:
                self.add(f"{where}: {key} = {value}, must be at most {high:g}"
                         + f" and not below {low:g}" * (low > 0))
        if _is_number(record.get("diffusion")) and record["diffusion"] < 0:
            self.add(f"{where}: diffusion = {record['diffusion']} m2/s, must not be negative")
        if _is_number(record.get("diffusion")) and record["diffusion"] > 1e-7:
            self.add(f"{where}: diffusion = {record['diffusion']} m2/s, must be about 1e-9")
        for key in ("label", "group", "source"):
            if key in record and not isinstance(record[key], str):
                self.add(f"{where}: {key} = {record[key]!r}, must be text")
        if kind == "component":
            if _is_number(record.get("charge")):
                self.charges.setdefault(name, record["charge"])
        elif "reaction" in record:
            self.reaction(kind, where, record)

    def reaction(self, kind, where, record):
        """Check that a reaction is written over known components and balances in charge."""
        reaction = record["reaction"]
        if not isinstance(reaction, dict) or not reaction:
            return self.add(f"{where}: reaction must be a table {{ component = coefficient, ... }}")
        known = set(self.charges) | {WATER} | ({SITE} if kind == "exchange" else set())
        sound = True
        for name, coefficient in reaction.items():
            if name not in known:
                sound = self.add(f"{where}: {unknown('component', name, known)}")
            elif not _is_number(coefficient) or coefficient == 0:
                sound = self.add(f"{where}: coefficient of {name} = {coefficient!r}, "
                                 "must be a number other than 0")
        if sound is None:
            return
        charge = sum(v * self.charges[n] for n, v in reaction.items() if n in self.charges)
        if kind == "species" and _is_number(record.get("charge")):
            if abs(charge - record["charge"]) > 1e-9:
                self.add(f"{where}: charge = {record['charge']}, but the reaction gives {charge:g}")
        if kind == "mineral" and abs(charge) > 1e-9:
            self.add(f"{where}: the reaction has charge {charge:g}, must be 0")
        if kind == "exchange":
            sites = reaction.get(SITE, 0)
            if sites <= 0:
                self.add(f"{where}: takes no sites, give {SITE} = {charge:g}")
            elif abs(charge - sites) > 1e-9:
                self.add(f"{where}: {sites:g} {SITE} for a charge of {charge:g}, "
                         f"must be {SITE} = {charge:g}")
            if WATER in reaction:
                self.add(f"{where}: {WATER} cannot take part in exchange")


def _selection_problems(data, components, minerals):
    """Names asked for that the file does not hold."""
    problems = []
    known = [record["name"] for record in data["component"]]
    chosen = known if components is None else list(components)
    for name in chosen:
        if name not in known:
            problems.append(unknown("component", name, known))
    for name in sorted({n for n in chosen if chosen.count(n) > 1}):
        problems.append(f"component '{name}': chosen twice")
    records = {record["name"]: record for record in data.get("mineral", [])}
    for name in minerals or ():
        if name not in records:
            problems.append(unknown("mineral", name, records))
        else:
            missing = set(records[name]["reaction"]) - set(chosen) - {WATER}
            if missing:
                problems.append(f"mineral '{name}': needs {', '.join(sorted(missing))}, "
                                "which the chosen components do not include")
    return problems


def _arrays(data, components, minerals):
    """The arrays of a file that has been checked."""
    records = {record["name"]: record for record in data["component"]}
    names = tuple(records) if components is None else tuple(components)
    parts = [records[name] for name in names]
    charge = np.array([record["charge"] for record in parts], float)

    def kept(kind):
        allowed = set(names) | {WATER, SITE}
        return [r for r in data.get(kind, []) if set(r["reaction"]) <= allowed]

    def stoichiometry(rows):
        matrix = [[row["reaction"].get(name, 0) for name in names] for row in rows]
        return np.array(matrix, float).reshape(len(rows), len(names))

    def coefficients(rows, name):
        return np.array([row["reaction"].get(name, 0) for row in rows], float)

    def log_k(rows):
        return np.array([row["log_k"] for row in rows], float)

    complexes, exchange = kept("species"), kept("exchange")
    solids = [r for r in kept("mineral") if minerals is None or r["name"] in minerals]
    free = np.zeros(len(names))
    nu = np.vstack([np.eye(len(names)), stoichiometry(complexes)])
    activity = data["activity"]
    A, neutral = (float(activity[key]) if activity["model"] == "davies" else 0.0
                  for key in ("A", "neutral"))
    z = nu @ charge
    return Chemistry(
        components=names,
        labels=tuple(record.get("label", record["name"]) for record in parts),
        groups=tuple(record.get("group", "") for record in parts),
        charge=charge,
        molar_mass=1e-3 * np.array([record["molar_mass"] for record in parts], float),
        species=names + tuple(record["name"] for record in complexes),
        z=z,
        diffusion=np.array([record["diffusion"] for record in parts + complexes], float),
        nu=nu,
        water=np.append(free, coefficients(complexes, WATER)),
        log_k=np.append(free, log_k(complexes)),
        exchange=tuple(record["name"] for record in exchange),
        nu_x=stoichiometry(exchange),
        z_x=coefficients(exchange, SITE),
        log_k_x=log_k(exchange),
        exchangers=(SITE,) if exchange else (),
        conventions=("gaines-thomas",) if exchange else (),
        site_of=np.zeros(len(exchange), int),
        minerals=tuple(record["name"] for record in solids),
        nu_m=stoichiometry(solids),
        water_m=coefficients(solids, WATER),
        log_k_m=log_k(solids),
        volume_m=np.full(len(solids), np.nan),
        nu_g=np.zeros((0, len(names))),
        debye_A=A,
        size=np.ones(len(z)),
        linear=np.where(z == 0, neutral, 0.3 * A * z**2),
        water_activity=float(activity["water_activity"]),
        mobility_coefficient=float(data["mobility"]["coefficient"]),
    )


def _is_number(value):
    """Whether it is a number that a float can hold."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) < 1e300


def _one_of(names):
    return " or ".join(f'"{name}"' for name in names)
