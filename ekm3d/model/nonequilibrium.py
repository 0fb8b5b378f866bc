"""What of a run is not at equilibrium, and the medium's answer: all of it optional.

The rock's arrays are those of the fast sites beside the moving water; immobile water, slow sites
and minerals with a rate law are stores beside them, filled and emptied after transport and
equilibrium (Lie splitting, first order in dt), whereupon the rest equilibrates once more. The
medium follows what minerals and water have become. Catholytes have no rates: all of their
chemistry is in equilibrium. Lists of the ore stay where the backend keeps its arrays.
"""

from functools import partial

import numpy as np

from ekm3d.chemistry.equilibrium import EquilibriumSolver
from ekm3d.grid.grid import GHOST
from ekm3d.physics.dual_porosity import DualPorosity
from ekm3d.physics.kinetics import Kinetics, without
from ekm3d.physics.porosity_feedback import PorosityFeedback


class NonEquilibrium:
    """The slow parts of a simulation; divides its rock."""

    def __init__(self, sim):
        self.sim, self.chem, self.rates = sim, sim.chem, sim.case.rates
        self.voxels, self.backend = sim.voxels, sim.backend
        self.laws = {self.chem.minerals.index(name): law.at(self._take)
                     for name, law in self.rates.laws.items()}
        moving = np.ones(sim.grid.padded)
        if self.rates.immobile is not None:
            moving[sim.grid.inner] -= sim.domain.local_view(self.rates.immobile[0])
        self.moving = self.backend.from_numpy(moving)    # share of the water and of its clay
        self._divide(sim.rock)

    def _take(self, array):
        """(n,) of a property of the ore, (nz, ny, nx)."""
        return self.voxels.take(self._padded(array))

    def _padded(self, array):
        return self.backend.from_numpy(np.pad(self.sim.domain.local_view(array), GHOST))

    def _divide(self, rock):
        """Water, capacity and slope of what the moving water reaches at once."""
        for array in (rock.water_content, rock.cec, rock.cec_slope):
            array *= self.moving
        rock.whole_cec, rock.whole_slope = rock.cec, rock.cec_slope
        if self.rates.slow_sites is not None:
            fast = 1.0 - self.rates.slow_sites[0]
            rock.cec, rock.cec_slope = fast * rock.cec, fast * rock.cec_slope

    def engine(self, engine):
        """The solver of what is in equilibrium in the ore; `engine` solves for all minerals."""
        if not self.laws:
            return engine
        return EquilibriumSolver(without(self.chem, self.laws), backend=self.backend)

    def start(self, s):
        """Part the stores from totals that hold everything but slow minerals."""
        sim, rock, self.processes, self.media = self.sim, self.sim.rock, [], []
        if self.rates.immobile is not None:
            share, rate = (self._take(values) for values in self.rates.immobile)
            self.processes.append(DualPorosity(self.voxels, self.chem, rock, share, rate,
                                           sim.reactions.engine))
        if self.laws or self.rates.slow_sites is not None:
            self.processes.append(Kinetics(self.voxels, self.chem, rock, self.laws,
                                           self.rates.slow_sites,
                                           partial(EquilibriumSolver, backend=self.backend)))
        for process in self.processes:
            process.start(s)
        sim.reactions.advance(s)
        if sim.case.response is not None:
            porosity = self._padded(sim.case.ore.porosity)
            self.media = [PorosityFeedback(self.voxels, self.chem, rock, porosity, sim.case.response)]
            self.media[0].start(s)
            self._update_rock()
            sim.reactions.skip = None      # no voxel is as it was where its rock has changed

    def advance(self, s, dt):
        """Stores and medium from t to t + dt, after transport and equilibrium."""
        for process in self.processes:
            process.advance(s, dt)
        for medium in self.media:
            medium.advance(s)
            self._update_rock()
        if self.processes or self.media:
            self.sim.reactions.advance(s)

    def _update_rock(self):
        """Tell those who keep more than the rock's arrays."""
        sim = self.sim
        sim.flow.update_rock()
        sim.transport.update_rock()

    def rock_now(self):
        """{name: inner array} of what the medium may have changed."""
        rock, inner = self.sim.rock, self.sim.grid.inner
        porosity = self._padded(self.sim.case.ore.porosity)
        self.voxels.put(porosity, self.media[0].porosity)
        return {"porosity": porosity[inner], "water_content": self.water_content()[inner],
                "tortuosity": rock.tortuosity[inner],
                "hydraulic_conductivity": rock.hydraulic_conductivity[inner],
                "electroosmotic_permeability": rock.electroosmosis[inner]}

    def water_content(self):
        """Of the moving and the immobile water together, padded."""
        return self.sim.rock.water_content / self.moving
