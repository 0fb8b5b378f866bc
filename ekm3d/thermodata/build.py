"""Thermodynamic data as arrays: checked tables, narrowed to a case's selection and temperature.

Constants away from 25 C follow log_k_T where a record has it, else van 't Hoff with delta_h, else
they stay; diffusion follows the viscosity of water, Debye-Hueckel's A and B its density and
permittivity:

    log10 K(T) = log10 K(25 C) - delta_h/(R ln 10) (1/T - 1/298.15)
    D(T) = D(25 C) T/298.15 eta(25 C)/eta(T)                            (Stokes-Einstein)

The keys of records are described in `records`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.chemistry import water_properties
from ekm3d.chemistry.ion_exchange import CONVENTIONS
from ekm3d.chemistry.system import SITE, WATER, ChemicalSystem, unknown
from ekm3d.constants import GAS_CONSTANT, TEMPERATURE
from ekm3d.errors import InputError
from ekm3d.quoting import legible
from ekm3d.text_file import NotUTF8, read_text
from ekm3d.thermodata.activity_model import ActivityModel
from ekm3d.thermodata.groups import group_of
from ekm3d.thermodata.records import KEYS, REFUSED, analytic, problems
from ekm3d.toml_file import NotTOML, parsed

MOST = 100                          # problems that are listed
Tables = dict[str, Any]             # parsed TOML
Place = tuple[str | int, ...]


class DatabaseError(InputError):
    """Problems of a database: `problems`, (place, text) each.

    A place is a tuple of keys and list numbers of the tables: ("species", 3). The message has one
    line per problem, headed by heads(place).
    """

    def __init__(self, heads: Callable[[Place], str], problems: Iterable[tuple[Place, str]]):
        self.problems = tuple((place, legible(text)) for place, text in problems)
        lines = [f"{heads(place)}: {text}" for place, text in self.problems[:MOST]]
        more = len(self.problems) - MOST
        super().__init__("\n".join(lines + [f"and {more} more problems"] * (more > 0)))


def read_database(path: str | Path, components: Collection[str] | None = None,
                  minerals: Collection[str] | None = None, **choice: Any) -> ChemicalSystem:
    """Read database.toml and select from it; see `build`.

    Raises InputError with one line per problem, all problems at once.
    """
    return build(read_tables(path), Path(path).name, components, minerals, **choice)


def read_tables(path: str | Path) -> Tables:
    """Read the tables of a database file, not checked; InputError if it is not TOML."""
    try:
        return parsed(read_text(path))
    except NotTOML as error:
        place = f":{error.line}: column {error.column}" * bool(error.line) + ":" \
            + f" {'.'.join(map(str, error.path))}" * bool(error.path)
        raise InputError(legible(f"{Path(path).name}{place} {error}")) from None
    except NotUTF8 as error:
        raise InputError(f"{Path(path).name}: {error}") from None


def merge(parts: Iterable[tuple[str, Tables]]) -> tuple[Tables, dict[Place, str]]:
    """Merge several databases: parts, (name, tables) each, later ones override.

    A record replaces the whole record of the same kind and name and takes its place; others are
    added at the end. A table like [activity] replaces the whole table.
    Returns (tables, origins {place: name of the part that the record comes from}).
    """
    tables: Tables = {}
    origins: dict[Place, str] = {}
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


def build(data: Tables, name: str = "database", components: Collection[str] | None = None,
          minerals: Collection[str] | None = None, exchange: Collection[str] | None = None,
          gases: Mapping[str, float] | None = None, temperature: float = TEMPERATURE,
          origins: Mapping[Place, str] | None = None, activity: str | None = None
          ) -> ChemicalSystem:
    """Return the ChemicalSystem of parsed tables.

    components: names to select, in this order (None: all). A species, an exchange species or a
    mineral is included when all its components are; `minerals` and `exchange` narrow these
    further (None: all that can form; empty: none). gases: {name: pressure in atm} of those at
    fixed pressure (None: none). temperature: K. activity: "davies" or "ideal" instead of the
    model of the tables, one of which may not be computed here (see `records.REFUSED`).
    Raises DatabaseError; its lines begin with `name`, or with the part by `origins` of `merge`.
    """
    errors = problems(data)
    if not errors and activity is not None:
        data = data | {"activity": dict(data["activity"], model=activity)}
    elif not errors and data["activity"]["model"] in REFUSED:
        errors = [(("activity",), not_computed(data["activity"]["model"]))]
    if not errors:
        errors = [((), text) for text in _selection_problems(data, components, {
            "mineral": minerals, "exchange": exchange, "gas": gases})]
    if errors:
        heads = origins or {}
        raise DatabaseError(lambda place: heads.get(place, name), errors)
    names = {record["name"]: record for record in data["component"]}
    parts = list(names.values()) if components is None else [names[n] for n in components]
    return _arrays(data, parts, minerals, exchange, gases or {}, temperature)


def not_computed(model: str) -> str:
    """Return the reason why a database cannot be used with its own activity model."""
    return (f"its activity coefficients are those of its {model} block, which this program "
            "does not compute; use another database, or choose activity = \"davies\" (for up to "
            "0.5 mol/l) or \"ideal\" instead")


def _selection_problems(data, components, chosen_of):
    """Return messages on selected names that are unknown or need more than the components."""
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


def sites_of(data: Tables) -> dict[str, str]:
    """Return {name of the site: convention} of the exchangers; one default if there are none."""
    return {record["name"]: record.get("convention", CONVENTIONS[0])
            for record in data.get("exchanger", [])} or {SITE: CONVENTIONS[0]}


def log_k(record: Mapping[str, Any], temperature: float) -> float:
    """Return log10 K of a record at a temperature [K]; that of 25 C if it gives no other."""
    value = record["log_k"]
    if temperature == TEMPERATURE:
        return value
    if "log_k_T" in record:
        a = record["log_k_T"]
        return value + analytic(a, temperature) - analytic(a, TEMPERATURE)
    slope = 1e3 * record.get("delta_h", 0.0) / (GAS_CONSTANT * np.log(10))
    return value - slope * (1 / temperature - 1 / TEMPERATURE)


def diffusion_factor(temperature: float) -> float:
    """Return D(T)/D(25 C) of dissolved species at a temperature [K] (Stokes-Einstein)."""
    return temperature / TEMPERATURE * (water_properties.viscosity(TEMPERATURE)
                                        / water_properties.viscosity(temperature))


def _arrays(data, parts, minerals, exchange, gases, temperature):
    """Return the ChemicalSystem of checked tables, with the components of the records `parts`."""
    names, sites = _names(parts), sites_of(data)
    model = ActivityModel(data["activity"], temperature)
    allowed = set(names) | {WATER} | set(sites)

    def selected(kind, chosen=None):
        return [r for r in data.get(kind, []) if set(r["reaction"]) <= allowed
                and (chosen is None or r["name"] in chosen)]

    return ChemicalSystem(
        **_components(parts),
        **_species(model, parts, selected("species"), temperature),
        **_exchange(model, selected("exchange", exchange), names, sites, temperature),
        **_minerals(selected("mineral", minerals), names, temperature),
        **_gases(selected("gas", gases), names, gases, temperature),
        mobility_coefficient=float(data["mobility"]["coefficient"]),
        temperature=temperature,
    )


def _components(parts):
    """Return the arrays of the component records."""
    return dict(
        components=_names(parts),
        labels=tuple(record.get("label", record["name"]) for record in parts),
        groups=tuple(map(group_of, parts)),
        charge=np.array([record["charge"] for record in parts], float),
        molar_mass=1e-3 * np.array([record["molar_mass"] for record in parts], float))


def _species(model, parts, complexes, temperature):
    """Return the arrays of the free components and the species records, and their activity."""
    names, free = _names(parts), np.zeros(len(parts))
    nu = np.vstack([np.eye(len(names)), _stoichiometry(complexes, names)])
    z = nu @ np.array([record["charge"] for record in parts], float)
    gamma = model.of_species(parts + complexes, z)
    A = gamma.A if model.model == "llnl" else model.A if model.model != "ideal" else 0.0
    diffusion = np.array([record["diffusion"] for record in parts + complexes], float)
    return dict(
        species=names + _names(complexes),
        z=z,
        diffusion=diffusion * diffusion_factor(temperature),
        nu=nu,
        water=np.append(free, _coefficients(complexes, WATER)),
        log_k=np.append(free, _constants(complexes, temperature)),
        debye_A=A,
        size=gamma.size,
        linear=gamma.linear,
        saturating=gamma.saturating if gamma.saturating.any() else np.zeros(0),
        water_activity=model.water_activity,
        valid_strength=model.valid_strength)


def _exchange(model, rows, names, sites, temperature):
    """Return the arrays of the exchange records and of the exchangers that they occupy."""
    site_of = [next(site for site in sites if site in row["reaction"]) for row in rows]
    exchangers = tuple(site for site in sites if site in site_of)
    z = _coefficients(rows, *sites)
    gamma = model.of_exchange(rows, z)
    own = gamma.A.any() or gamma.linear.any()
    debye, size, linear = ((gamma.A, gamma.size, gamma.linear) if own
                           else (np.zeros(0),) * 3)
    return dict(
        exchange=_names(rows),
        nu_x=_stoichiometry(rows, names),
        z_x=z,
        debye_x=debye,
        size_x=size,
        linear_x=linear,
        log_k_x=_constants(rows, temperature),
        exchangers=exchangers,
        conventions=tuple(sites[site] for site in exchangers),
        site_of=np.array([exchangers.index(site) for site in site_of], int))


def _minerals(rows, names, temperature):
    """Return the arrays of the mineral records."""
    return dict(
        minerals=_names(rows),
        nu_m=_stoichiometry(rows, names),
        water_m=_coefficients(rows, WATER),
        log_k_m=_constants(rows, temperature),
        volume_m=1e-6 * np.array([row.get("molar_volume", np.nan) for row in rows], float))


def _gases(rows, names, pressures, temperature):
    """Return the arrays of the gas records; pressures: {name: atm}."""
    return dict(
        gases=_names(rows),
        nu_g=_stoichiometry(rows, names),
        water_g=_coefficients(rows, WATER),
        log_k_g=_constants(rows, temperature),
        pressure_g=np.array([pressures[row["name"]] for row in rows], float))


def _names(rows):
    """Return the names of records."""
    return tuple(row["name"] for row in rows)


def _stoichiometry(rows, names):
    """Return the coefficients (rows, names) of components in the records' reactions."""
    matrix = [[row["reaction"].get(name, 0) for name in names] for row in rows]
    return np.array(matrix, float).reshape(len(rows), len(names))


def _coefficients(rows, *wanted):
    """Return the sum (rows,) of the coefficients of some names in the records' reactions."""
    return np.array([sum(row["reaction"].get(name, 0) for name in wanted) for row in rows], float)


def _constants(rows, temperature):
    """Return log10 K (rows,) of records at a temperature [K]."""
    return np.array([log_k(row, temperature) for row in rows], float)
