"""Where thermodynamic data come from: the package's own files, a TOML file, a PHREEQC database.

The package's database lies in thermo/, one file per family of records; see thermo/README.md.
"""

import functools
from pathlib import Path

from ekm3d.thermodata.build import merge, read_tables
from ekm3d.thermodata.phreeqc_import import read_phreeqc

PACKAGE = "package"
FOLDER = Path(__file__).parent / "tables"
FAMILIES = ("components", "salts", "aluminium_iron", "metals", "rare_earths", "organics",
            "exchange", "minerals")


@functools.cache
def package():
    """The package's database: ((file name, tables), ...), not to be changed."""
    return tuple((f"{family}.toml", read_tables(FOLDER / f"{family}.toml"))
                 for family in FAMILIES)


def is_phreeqc(name):
    """Whether a file is read as a database of PHREEQC."""
    return str(name).lower().endswith(".dat")


def load(path):
    """(parts, reading) of a database: parts as `merge` takes them, reading that of a PHREEQC file
    or None. `path` is a file or "package". OSError or ValueError where it cannot be read."""
    if path == PACKAGE:
        return package(), None
    path = Path(path)
    if is_phreeqc(path):
        reading = read_phreeqc(path)
        return ((path.name, reading.tables),), reading
    return ((path.name, read_tables(path)),), None


def combined(*paths):
    """(tables, origins) of several databases, later ones overriding; see `database.merge`."""
    return merge([part for path in paths for part in load(path)[0]])
