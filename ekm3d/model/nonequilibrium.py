"""Optional non-equilibrium: kinetic minerals, slow exchange sites, immobile water, medium response.

The rock's arrays are those of the fast sites beside the moving water; immobile water, slow sites
and minerals with a rate law are stores beside them, filled and emptied after transport and
equilibrium (Lie splitting, first order in dt), whereupon the rest equilibrates once more. The
medium follows its minerals and its water. Catholytes have no rates: all of their chemistry is in
equilibrium. Lists of the ore stay where the backend keeps its arrays.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from ekm3d.chemistry.equilibrium import EquilibriumSolver, VoxelSolver
from ekm3d.chemistry.rate_laws import RateLaw
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import GHOST, Array
from ekm3d.physics.dual_porosity import DualPorosity
from ekm3d.physics.kinetics import Kinetics, without
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.porosity_feedback import MediumLaws, PorosityFeedback
from ekm3d.physics.reactions import Reactions
from ekm3d.physics.rock import Rock
from ekm3d.state import State


class SlowRates(Protocol):
    """Processes of a case that are not at equilibrium, on the whole grid."""

    @property
    def laws(self) -> Mapping[str, RateLaw]:
        """Rate law of every kinetic mineral, by its name."""

    @property
    def slow_sites(self) -> tuple[float, float] | None:
        """Share of the exchange sites [1], rate [1/s]."""

    @property
    def immobile(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Share of the water [1] and rate of exchange with the moving water [1/s], (nz, ny, nx)."""

    @property
    def immobile_field(self) -> bool:
        """True if current and ions pass from voxel to voxel in the immobile water."""

    @property
    def immobile_tortuosity(self) -> np.ndarray | None:
        """Tortuosity of the immobile water [1], (nz, ny, nx); None: that of the ore."""


class NonEquilibrium:
    """Stores of a run that are not in equilibrium with the moving water, and the medium's response.

    media: the responding medium, none or one.
    """

    def __init__(self, voxels: OreVoxels, chem: ChemicalSystem, rates: SlowRates,
                 response: MediumLaws | None, porosity: np.ndarray):
        """response: of the medium to its chemistry, or None; porosity: (nz, ny, nx) on this rank,
        at t = 0."""
        self.voxels, self.chem, self.rates, self.response = voxels, chem, rates, response
        self.backend, self.porosity = voxels.backend, porosity
        self.processes: list[DualPorosity | Kinetics] = []
        self.dual: DualPorosity | None = None
        self.still: Array | None = None       # immobile water beside moving water that changes
        self.media: list[PorosityFeedback] = []
        self.laws = {chem.minerals.index(name): law.at(self._take_whole)
                     for name, law in rates.laws.items()}
        self.moving: Any = 1.0                # share of the water and of its clay: number or array
        if rates.immobile is not None:
            moving = np.ones(voxels.grid.padded)
            moving[voxels.grid.inner] -= voxels.domain.local_view(rates.immobile[0])
            self.moving = self.backend.from_numpy(moving)

    def _take_whole(self, array: np.ndarray) -> Array:
        """(n,) of a property of the ore on the whole grid, (nz, ny, nx)."""
        return self.voxels.take(self._padded(self.voxels.domain.local_view(array)))

    def _padded(self, array: np.ndarray) -> Array:
        """Array (nz, ny, nx) of this rank with ghosts, where the backend keeps its arrays."""
        return self.backend.from_numpy(np.pad(array, GHOST))

    def divide(self, rock: Rock) -> Rock:
        """Return the rock of the moving water: its water content, exchange capacity and slope."""
        cec, slope = rock.cec * self.moving, rock.cec_slope * self.moving
        fast = 1.0 if self.rates.slow_sites is None else 1.0 - self.rates.slow_sites[0]
        apart = self.rates.slow_sites is not None
        return replace(rock, water_content=rock.water_content * self.moving,
                       whole_cec=cec, whole_slope=slope, cec=fast * cec if apart else cec,
                       cec_slope=fast * slope if apart else slope)

    def immobile(self, water_content: Array) -> Array | None:
        """Return the content of immobile water, padded; None without. Of all water at t = 0.

        It stays when the moving water changes.
        """
        if self.rates.immobile is None:
            return None
        self.still = water_content * (1.0 - self.moving)
        return self.still

    def fast_solver(self, solver: VoxelSolver) -> VoxelSolver:
        """Return the solver of the ore's equilibrium: `solver` without the kinetic minerals."""
        if not self.laws:
            return solver
        return EquilibriumSolver(without(self.chem, self.laws), backend=self.backend)

    def start(self, s: State, rock: Rock, reactions: Reactions,
              update_rock: Callable[[], None],
              full: Callable[[], tuple[Array, Array]] | None = None) -> None:
        """Part the stores from totals that hold everything but slow minerals.

        rock: of the moving water; update_rock: called after every change of its arrays; full: as of
        PorosityFeedback.
        """
        self.rock, self.reactions, self.update_rock = rock, reactions, update_rock
        if self.rates.immobile is not None:
            share, rate = (self._take_whole(values) for values in self.rates.immobile)
            tortuosity = self.rates.immobile_tortuosity
            self.dual = DualPorosity(
                self.voxels, self.chem, rock, share, rate, reactions.engine, self.still,
                self.rates.immobile_field,
                None if tortuosity is None else self._take_whole(tortuosity))
            self.processes.append(self.dual)
        if self.laws or self.rates.slow_sites is not None:
            self.processes.append(Kinetics(self.voxels, self.chem, rock, self.laws,
                                           self.rates.slow_sites,
                                           partial(EquilibriumSolver, backend=self.backend)))
        for process in self.processes:
            process.start(s)
        reactions.advance(s)
        if self.response is not None:
            self.media = [PorosityFeedback(self.voxels, self.chem, rock,
                                           self._padded(self.porosity), self.response, full)]
            self.media[0].start(s)
            update_rock()
            reactions.skip = None      # no voxel is as it was where its rock has changed

    def equilibrate(self, s: State) -> None:
        """Bring the immobile water into equilibrium where species move through it."""
        if self.dual is not None and self.dual.field:
            self.dual.equilibrate(s)

    def begin_immobile(self, s: State) -> None:
        """Compute what the field needs of immobile water whose totals come from a run without."""
        if self.dual is not None and self.dual.field:
            self.dual.last_totals = None
            self.dual.equilibrate(s)

    def advance(self, s: State, dt: float) -> None:
        """Advance stores and medium from t to t + dt [s], after transport and equilibrium."""
        for process in self.processes:
            process.advance(s, dt)
        for medium in self.media:
            medium.advance(s)
            self.update_rock()
        if self.processes or self.media:
            self.reactions.advance(s)

    def rock_now(self, name: str) -> Array:
        """Inner array of a property that the medium may have changed, as `Rock` names it."""
        inner = self.voxels.grid.inner
        if name == "porosity":
            porosity = self._padded(self.porosity)
            self.voxels.put(porosity, self.media[0].porosity)
            return porosity[inner]
        if name == "water_content":
            return self.water_content()[inner]
        return getattr(self.rock, name)[inner]

    def water_content(self) -> Array:
        """Content of moving and immobile water together, padded [1]."""
        if self.still is not None:
            return self.rock.water_content + self.still
        return self.rock.water_content / self.moving
