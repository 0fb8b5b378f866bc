"""Thermodynamic data as arrays: checked tables, narrowed to what a case names, at its temperature.

Constants away from 25 C follow log_k_T where a record has it, else van 't Hoff with delta_h, else
they stay; diffusion follows the viscosity of water, Debye-Hueckel's A and B its density and
permittivity:

    log10 K(T) = log10 K(25 C) - delta_h/(R ln 10) (1/T - 1/298.15)
    D(T) = D(25 C) T/298.15 eta(25 C)/eta(T)                            (Stokes-Einstein)

What records may say is told in `records`.
"""

import tomllib
from pathlib import Path

import numpy as np

from ekm3d.chemistry import water_properties
from ekm3d.chemistry.system import SITE, WATER, ChemicalSystem, unknown
from ekm3d.constants import GAS_CONSTANT, TEMPERATURE
from ekm3d.errors import InputError
from ekm3d.thermodata.records import CONVENTIONS, KEYS, analytic, problems


class DatabaseError(InputError):
    """What is wrong with a database: `problems`, (place, text) each.

    A place is a tuple of keys and list numbers of the tables: ("species", 3).
    """

    def __init__(self, heads, problems):
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{heads(place)}: {text}" for place, text in self.problems))


def read_database(path, components=None, minerals=None, **choice):
    """Read database.toml and select from it; see `build`.

    Raises ValueError with one line per problem, all problems at once.
    """
    return build(read_tables(path), Path(path).name, components, minerals, **choice)


def read_tables(path):
    """The tables of a database file, not checked; ValueError if it is not TOML."""
    with open(path, "rb") as file:
        try:
            return tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"{Path(path).name}: {error}") from None


def merge(parts):
    """One database of several: parts, (name, tables) each, later ones override.

    A record replaces the whole record of the same kind and name and takes its place; others are
    added at the end. A table like [activity] replaces the whole table.
    Returns (tables, origins): the part that each record, by its place, comes from.
    """
    tables, origins = {}, {}
    for part, data in parts:
        for kind, content in data.items():
            if kind not in KEYS or not isinstance(content, list):
                tables[kind] = content
                origins[(kind,)] = part
                continue
            records = tables.setdefault(kind, [])
            if not isinstance(records, list):
                continue
            places = {r["name"]: n for n, r in enumerate(records)
                      if isinstance(r, dict) and isinstance(r.get("name"), str)}
            for record in content:
                name = record.get("name") if isinstance(record, dict) else None
                place = places.get(name) if isinstance(name, str) else None
                if place is None:
                    place = len(records)
                    records.append(record)
                records[place] = record
                origins[(kind, place)] = part
    return tables, origins


def build(data, name="database", components=None, minerals=None, exchange=None, gases=None,
          temperature=TEMPERATURE, origins=None):
    """The Chemistry of parsed tables.

    components: names to keep, in the order wanted (None: all). A species, an exchange species or
    a mineral is kept when all its components are; `minerals` and `exchange` narrow these further
    (None: all that can form; empty: none). gases: {name: pressure in atm} of those that keep
    their pressure (None: none). temperature: K.
    Raises DatabaseError; its lines begin with `name`, or the part that `origins` of `merge` knows.
    """
    found = problems(data)
    if not found:
        found = [((), text) for text in _selection_problems(data, components, {
            "mineral": minerals, "exchange": exchange, "gas": gases})]
    if found:
        origins = origins or {}
        raise DatabaseError(lambda place: origins.get(place, name), found)
    names = {record["name"]: record for record in data["component"]}
    parts = list(names.values()) if components is None else [names[n] for n in components]
    return _arrays(data, parts, minerals, exchange, gases or {}, temperature)


def _selection_problems(data, components, chosen_of):
    """Names asked for that the file does not hold, or that need more than the chosen components."""
    problems = []
    known = [record["name"] for record in data["component"]]
    chosen = known if components is None else list(components)
    for name in chosen:
        if name not in known:
            problems.append(unknown("component", name, known))
    for name in sorted({n for n in chosen if chosen.count(n) > 1}):
        problems.append(f"component '{name}': chosen twice")
    sites = sites_of(data)
    for kind, names in chosen_of.items():
        records = {record["name"]: record for record in data.get(kind, [])}
        for name in names or ():
            if name not in records:
                problems.append(unknown(kind, name, records))
            else:
                missing = set(records[name]["reaction"]) - set(chosen) - {WATER} - set(sites)
                if missing:
                    problems.append(f"{kind} '{name}': needs {', '.join(sorted(missing))}, "
                                    "which the chosen components do not include")
    return problems


def sites_of(data):
    """{name of the site: convention} of the exchangers, the first being the default one."""
    return {record["name"]: record.get("convention", CONVENTIONS[0])
            for record in data.get("exchanger", [])} or {SITE: CONVENTIONS[0]}


def log_k(record, temperature):
    """log10 K of a record at a temperature [K]; that of 25 C where the record knows no other."""
    value = record["log_k"]
    if temperature == TEMPERATURE:
        return value
    if "log_k_T" in record:
        a = record["log_k_T"]
        return value + analytic(a, temperature) - analytic(a, TEMPERATURE)
    slope = 1e3 * record.get("delta_h", 0.0) / (GAS_CONSTANT * np.log(10))
    return value - slope * (1 / temperature - 1 / TEMPERATURE)


def diffusion_factor(temperature):
    """D(T)/D(25 C) of everything dissolved."""
    return temperature / TEMPERATURE * (water_properties.viscosity(TEMPERATURE)
                                        / water_properties.viscosity(temperature))


def _activity(activity, rows, z, temperature):
    """(A, size, linear, water_activity) of the model: see `system.Chemistry`."""
    free, none = np.ones(len(z)), np.zeros(len(z))
    water = float(activity["water_activity"])
    if activity["model"] == "ideal":
        return 0.0, free, none, water
    (A_25, _), (A_T, B) = map(water_properties.debye_hueckel, (TEMPERATURE, temperature))
    A = float(activity["A"]) * (A_T / A_25)
    size, linear = free, np.where(z == 0, activity["neutral"], 0.3 * A * z**2)
    if activity["model"] == "wateq":
        for s, record in enumerate(rows):
            if "size" in record:
                size[s], linear[s] = B * record["size"], record["linear"]
    return A, size, linear, water


def _arrays(data, parts, minerals, exchange, gases, temperature):
    """The arrays of tables that have been checked."""
    names = tuple(record["name"] for record in parts)
    sites = sites_of(data)
    allowed = set(names) | {WATER} | set(sites)
    charge = np.array([record["charge"] for record in parts], float)

    def kept(kind, chosen=None):
        return [r for r in data.get(kind, []) if set(r["reaction"]) <= allowed
                and (chosen is None or r["name"] in chosen)]

    def stoichiometry(rows):
        matrix = [[row["reaction"].get(name, 0) for name in names] for row in rows]
        return np.array(matrix, float).reshape(len(rows), len(names))

    def coefficients(rows, *wanted):
        return np.array([sum(row["reaction"].get(name, 0) for name in wanted)
                         for row in rows], float)

    def constants(rows):
        return np.array([log_k(row, temperature) for row in rows], float)

    def listed(rows):
        return tuple(row["name"] for row in rows)

    complexes, held = kept("species"), kept("exchange", exchange)
    solids, vapours = kept("mineral", minerals), kept("gas", gases)
    free = np.zeros(len(names))
    nu = np.vstack([np.eye(len(names)), stoichiometry(complexes)])
    z = nu @ charge
    A, size, linear, water_activity = _activity(data["activity"], parts + complexes, z, temperature)
    diffusion = np.array([record["diffusion"] for record in parts + complexes], float)
    site_of = [next(site for site in sites if site in row["reaction"]) for row in held]
    exchangers = tuple(site for site in sites if site in site_of)
    return ChemicalSystem(
        components=names,
        labels=tuple(record.get("label", record["name"]) for record in parts),
        groups=tuple(record.get("group", "") for record in parts),
        charge=charge,
        molar_mass=1e-3 * np.array([record["molar_mass"] for record in parts], float),
        species=names + listed(complexes),
        z=z,
        diffusion=diffusion * diffusion_factor(temperature),
        nu=nu,
        water=np.append(free, coefficients(complexes, WATER)),
        log_k=np.append(free, constants(complexes)),
        exchange=listed(held),
        nu_x=stoichiometry(held),
        z_x=coefficients(held, *sites),
        log_k_x=constants(held),
        exchangers=exchangers,
        conventions=tuple(sites[site] for site in exchangers),
        site_of=np.array([exchangers.index(site) for site in site_of], int),
        minerals=listed(solids),
        nu_m=stoichiometry(solids),
        water_m=coefficients(solids, WATER),
        log_k_m=constants(solids),
        volume_m=1e-6 * np.array([row.get("molar_volume", np.nan) for row in solids], float),
        gases=listed(vapours),
        nu_g=stoichiometry(vapours),
        water_g=coefficients(vapours, WATER),
        log_k_g=constants(vapours),
        pressure_g=np.array([gases[row["name"]] for row in vapours], float),
        debye_A=A,
        size=size,
        linear=linear,
        water_activity=water_activity,
        mobility_coefficient=float(data["mobility"]["coefficient"]),
    )
