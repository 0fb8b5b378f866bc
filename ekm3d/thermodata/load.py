"""Sources of thermodynamic data: the package's own files, a TOML file, a PHREEQC database.

The package's database lies in tables/, one file per family of records; see tables/README.md.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from ekm3d.regular_file import contents
from ekm3d.text_file import LARGEST
from ekm3d.thermodata.build import Place, Tables, merge, read_tables

if TYPE_CHECKING:
    from ekm3d.thermodata.phreeqc_import import Reading

PACKAGE = "package"
FOLDER = Path(__file__).parent / "tables"
FAMILIES = ("components", "salts", "aluminium_iron", "metals", "rare_earths", "organics",
            "exchange", "minerals")


@functools.cache
def package() -> tuple[tuple[str, Tables], ...]:
    """Return the package's database: ((file name, tables), ...), not to be modified."""
    return tuple((f"{family}.toml", read_tables(FOLDER / f"{family}.toml"))
                 for family in FAMILIES)


def is_phreeqc(name: str | Path) -> bool:
    """Return True for a file that is read as a database of PHREEQC."""
    return str(name).lower().endswith(".dat")


def is_fragment(path: str | Path) -> bool:
    """Return True for a PHREEQC file that does not define H+ and so needs a base; see `load`."""
    if not is_phreeqc(path):
        return False
    from ekm3d.thermodata.phreeqc_parser import parse  # imported here: few cases need it

    text = contents(path, LARGEST).decode("utf-8", "replace")
    return all(element != "H" for _, element, *_ in parse(text).masters)


def load(path: str | Path, base: Tables | None = None
         ) -> "tuple[tuple[tuple[str, Tables], ...], Reading | None]":
    """Load a database, a file or "package"; return (parts, reading).

    parts: the argument of `merge`; reading: of a PHREEQC file, else None. base: the tables that
    it extends, whose species reactions of a PHREEQC fragment may name. Raises OSError or
    InputError where it cannot be read.
    """
    if path == PACKAGE:
        return package(), None
    path = Path(path)
    if is_phreeqc(path):
        from ekm3d.thermodata.phreeqc_import import read_phreeqc  # imported here: few cases need it

        reading = read_phreeqc(path, base)
        return ((path.name, reading.tables),), reading
    return ((path.name, read_tables(path)),), None


def combined(*paths: str | Path) -> tuple[Tables, dict[Place, str]]:
    """Return (tables, origins) of several databases, later ones overriding; see `build.merge`."""
    return merge([part for path in paths for part in load(path)[0]])
