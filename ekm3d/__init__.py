"""ekm3d: electrokinetic mining of rare earths in 3D.

    from ekm3d import Case, Simulation, open_results
    results = Simulation(Case.read("cases/field_block")).run(out="out")
    results.summary["recovery_REE"]
"""

from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.output.results import open_results
from ekm3d.version import __version__

__all__ = ["Case", "Simulation", "open_results", "__version__"]
