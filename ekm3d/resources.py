"""Package data: kernel sources and ready cases.

The folders `kernels/` and `cases/` are installed as ekm3d.kernels and ekm3d.cases. In a bare
checkout (nothing installed) they lie beside the package instead; both are found here.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path


@cache
def folder(name: str) -> Path:
    """Return the shipped folder "kernels" or "cases"."""
    try:
        return Path(str(files(f"ekm3d.{name}")))
    except ModuleNotFoundError:
        return Path(__file__).resolve().parent.parent / name


def kernel_text(name: str) -> str:
    """Return the text of a kernel file such as "solvers/elliptic.cu"."""
    return (folder("kernels") / name).read_text(encoding="utf-8")


def case_path(name: str) -> Path:
    """Return the directory of a shipped case such as "field_block"; ValueError if there is none.

    For a case inside an installed package, write the results elsewhere (`ekm3d run ... --out DIR`).
    """
    path = folder("cases") / name
    if not (path / "case.toml").is_file():
        known = sorted(p.parent.name for p in folder("cases").glob("*/case.toml"))
        raise ValueError(f"no case {name!r} is shipped; there are: {', '.join(known) or 'none'}")
    return path
