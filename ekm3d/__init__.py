"""ekm3d: electrokinetic mining of rare earths in 3D.

    from ekm3d import Case, Simulation, open_results
    results = Simulation(Case.read("cases/field_block")).run(out="out")
    results.summary["recovery_REE"]

The three names are imported when they are asked for: whoever needs one module of the package does
not wait for all of them (1.2 s).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ekm3d.version import __version__

if TYPE_CHECKING:
    from ekm3d.case.case import Case
    from ekm3d.model.simulation import Simulation
    from ekm3d.output.results import open_results

__all__ = ["Case", "Simulation", "open_results", "__version__"]

_HOMES = {"Case": "ekm3d.case.case", "Simulation": "ekm3d.model.simulation",
          "open_results": "ekm3d.output.results"}


def __getattr__(name: str) -> Any:
    """Import a public name from its module; AttributeError for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
