"""Chemistry of a case, read from [chemistry]: a database, and the parts chosen from it.

    [chemistry]
    database = "package"            # or "mine.toml", or "phreeqc.dat"; or [chemistry.inline]
    extend = ["calibrated.toml"]    # records of the same name override, others are added
    log_k = { LaX3 = 1.8 }          # constants by themselves
    components = ["H+", "NH4+", "SO4-2", "La+3"]
    minerals = ["Al(OH)3(a)"]       # that may form; exchange = [...] likewise
    gases = { "CO2(g)" = "4.2e-4 atm" }       # kept at their pressure, in and above the water
"""

from typing import Any

from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.schema import CaseFile
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import ZERO_CELSIUS
from ekm3d.errors import InputError
from ekm3d.quoting import quoted
from ekm3d.regular_file import Folders
from ekm3d.suggest import suggest
from ekm3d.thermodata import load
from ekm3d.thermodata.build import DatabaseError, build, merge
from ekm3d.thermodata.groups import regrouped
from ekm3d.thermodata.suspects import suspects
from ekm3d.thermodata.unused import unused

KINDS = {"components": "component", "minerals": "mineral", "exchange": "exchange", "gases": "gas"}
WITH_LOG_K = ("species", "exchange", "mineral", "gas")
CHOICES = 8                    # number of possible names that a message lists


def read_chemistry(file: CaseFile, folders: Folders, problems: Problems
                   ) -> tuple[ChemicalSystem, tuple[str, ...]]:
    """Return (chemical system of the case, remarks on the database as far as the case uses it).

    If a choice is wrong it is that of the whole database, so that the other checks continue.
    """
    choice = file.chemistry
    source = choice.database
    if source is None and choice.inline is None and choice.components is not None:
        source = load.PACKAGE
    parts, extensions, readings = _parts(choice, source, folders, problems)
    tables, origins = merge([*parts, *extensions])
    tables = _with_constants(tables, choice.log_k, problems)
    origins = {place: part for place, part in origins.items() if choice.inline is None
               or part != "inline"}
    whole = _built(tables, choice, origins, {name for name, _ in extensions}, problems)
    lost = {text for reading in readings for _, text in reading.skipped}
    chosen = {key: problems.attempt(_chosen, key, choice, tables, lost, problems) for key in KINDS}
    if any(value is MISSING for value in chosen.values()):
        return whole, ()
    if source is not None and (source == load.PACKAGE or load.is_phreeqc(source)):
        _complete(choice, chosen, tables, problems)
    gases = dict(zip(chosen["gases"] or (), (choice.gases or {}).values(), strict=True))
    try:
        chem = build(tables, source or "inline", chosen["components"], chosen["minerals"],
                     chosen["exchange"], gases, choice.temperature + ZERO_CELSIUS,
                     activity=_activity(choice))
    except DatabaseError as e:
        for _, text in e.problems:
            problems.add(("chemistry",), f"{source or 'inline'}: {text}")
        return whole, ()
    if _activity(choice) == "ideal":
        chem = chem.ideal()
    elif not choice.exchange_gammas:
        chem = chem.without_exchange_coefficients()
    remarks = [*unused(chem, tables, readings), *(
        f"suspect constant: {text}" for text in suspects(tables, chem.components))]
    if choice.log_k:
        remarks.append("log K of the case: " + ", ".join(
            f"{name} {value:g}" for name, value in choice.log_k.items()))
    try:
        return regrouped(chem, dict(choice.groups)), tuple(remarks)
    except InputError as e:
        problems.add(("chemistry", "groups"), str(e))
        return chem, ()


def _parts(choice, source, folders, problems):
    """Return (parts, parts of the extensions, readings of PHREEQC files), not checked.

    Parts: [(name, tables)]. A PHREEQC file that extends sees the species of what it extends.
    """
    if (source is None) == (choice.inline is None):
        problems.add(("chemistry",), "needs either database = \"database.toml\", a file in the "
                     "case directory, or the same tables in the case itself, under "
                     "[chemistry.inline], or database = \"package\"")
        raise MissingValue
    parts, readings = (("inline", choice.inline),), []
    if source is not None:
        parts, reading = _file(source, folders, ("chemistry", "database"), problems)
        readings.append(reading)
    extensions = []
    for n, name in enumerate(choice.extend):
        place = ("chemistry", "extend", n)
        base = None
        if load.is_phreeqc(name):
            base = merge([*parts, *extensions])[0]
            _built(base, choice, {}, set(), problems)
        added, reading = _file(name, folders, place, problems, base)
        extensions += added
        readings.append(reading)
    return parts, extensions, [reading for reading in readings if reading is not None]


def _file(name: str, folders: Folders, place: KeyPath, problems: Problems, base: Any = None) -> Any:
    """Return (parts [(name, tables)], reading) of a database, not checked; see `load`."""
    try:
        return load.load(name if name == load.PACKAGE else folders.file(name), base)
    except OSError as e:
        problems.add(place, f"cannot read {quoted(name)}: {e.strerror}; name a file in the case "
                     "directory" + ", or \"package\"" * (place[1] == "database"))
    except ValueError as e:
        problems.add(place, str(e))
    raise MissingValue


def _with_constants(tables, log_k, problems):
    """Return the tables with the constants {record: log K at 25 C} of the case."""
    tables, known = dict(tables), set()
    for kind in WITH_LOG_K:
        records = tables.get(kind, [])
        if isinstance(records, list):
            names = [r.get("name") for r in records if isinstance(r, dict)]
            known |= {name for name in names if isinstance(name, str)}
            tables[kind] = [_with_constant(r, log_k) for r in records]
    for name in sorted(set(log_k) - known):
        problems.add(("chemistry", "log_k", name), "the database has no species, exchange species, "
                     f"mineral or gas {quoted(name)}" + suggest(name, sorted(known)))
    return tables


def _with_constant(record, log_k):
    """Return a record of a database; without its law of temperature where log_k names it."""
    name = record.get("name") if isinstance(record, dict) else None
    if not isinstance(name, str) or name not in log_k:
        return record
    kept = {key: value for key, value in record.items() if key != "log_k_T"}
    return kept | {"log_k": float(log_k[name]), "source": "chemistry.log_k of the case"}


def _activity(choice):
    """Return the activity model that the case chooses, None for that of the database."""
    return None if choice.activity is MISSING else choice.activity


def _built(tables, choice, origins, extensions, problems):
    """Return the chemical system of all tables; a mistake in the case itself gets its own line."""
    try:
        return build(tables, choice.database or "inline", origins=origins,
                     activity=_activity(choice))
    except DatabaseError as e:
        for (place, text), line in zip(e.problems, str(e).splitlines(), strict=False):
            if origins.get(place) in extensions:
                problems.add(("chemistry", "extend"), line)
            elif choice.inline is None:
                problems.add(("chemistry", "database"), line)
            else:
                problems.add(("chemistry", "inline", *place), text)
        raise MissingValue from None


def _names(tables, key):
    """Return the names of the records under `key`."""
    return [record["name"] for record in tables.get(KINDS[key], [])]


def _chosen(key, choice, tables, lost, problems):
    """Return the names under `key` as the database has them, None without the key.

    lost: texts on what was not taken over from PHREEQC files.
    """
    names, known = getattr(choice, key), _names(tables, key)
    if names is None:
        return None
    labels = {record.get("label"): record["name"] for record in tables["component"]} \
        if key == "components" else {}
    what = "exchange species" if key == "exchange" else KINDS[key]
    chosen = []
    for n, name in enumerate(names):
        full = name if name in known else labels.get(name)
        place = ("chemistry", key, name if key == "gases" else n)
        if full is None:
            reason = next((f"; not taken over: {text}" for text in sorted(lost)
                           if text.startswith((f"{name}:", f"{KINDS[key]} '{name}':"))), "")
            problems.add(place, f"the database has no {what} {quoted(name)}"
                         + (reason or suggest(name, known)))
        elif full in chosen:
            problems.add(place, f"{quoted(name)} is named twice")
        chosen.append(full)
    if None in chosen or len(set(chosen)) < len(chosen):
        raise MissingValue
    return chosen


def _complete(choice, chosen, tables, problems):
    """Check that components and minerals of a database other than the case's own are named."""
    if choice.components is None:
        problems.add(("chemistry", "components"), "is missing: name those of the database that "
                     f"take part, of {_some(_names(tables, 'components'))}")
        if choice.minerals is None:
            problems.add(("chemistry", "minerals"), "is missing: name those that may form in the "
                         "time of the case, or []")
        raise MissingValue
    if choice.minerals is None:
        allowed = set(chosen["components"]) | {"H2O"}
        can = [r["name"] for r in tables.get("mineral", []) if set(r["reaction"]) <= allowed]
        problems.add(("chemistry", "minerals"), "is missing: name those that may form in the time "
                     f"of the case, or []; these components can form {_some(can)}")
        raise MissingValue


def _some(names):
    """Return the first names as text, and the number of the others."""
    more = f" and {len(names) - CHOICES} more" if len(names) > CHOICES else ""
    return (", ".join(names[:CHOICES]) or "none") + more
