"""Data of a case: all that case.toml and its files say, checked, in SI units."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.electrodes import ElectrodeData
from ekm3d.case.ground import GroundBoundary
from ekm3d.case.kinetics import Rates
from ekm3d.case.medium import Response
from ekm3d.case.ore import OreBody
from ekm3d.case.points import Point
from ekm3d.case.readings import Reading
from ekm3d.case.schedule import ScheduleData
from ekm3d.case.schema import OutputEntry, PhysicsEntry
from ekm3d.case.sides import Side
from ekm3d.case.water import WaterData
from ekm3d.case.wells import Well
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.georeference import GeoReference
from ekm3d.grid.grid import Grid
from ekm3d.state import PROCESSES, UNSATURATED


@dataclass(frozen=True)
class CaseData:
    """Input of a simulation as checked plain data, in SI units: m, s, mol, kg, V, A.

    Voxel arrays have the shape (nz, ny, nx), without ghost layers.
    """

    path: Path                      # of the directory
    text: str                       # of case.toml, before the overrides
    overrides: tuple[str, ...]      # "key=value", in the order of application
    title: str
    description: str
    physics: PhysicsEntry           # processes that take part, as [physics] has them
    grid: Grid                      # cells, spacing [m], origin [m] in the order x, y, z
    reference: GeoReference         # where the block lies in real space
    chemistry: ChemicalSystem       # K components, S species, ... chosen from the database
    ore: OreBody                    # rock and inventory: arrays (nz, ny, nx), per m3 of bulk
    water: WaterData                # component -> mol/m3 (pore water), mol/kg of ore (prewetting)
    electrodes: ElectrodeData       # rows: boxes [m], resistance [ohm], catholyte [m3]
    wells: tuple[Well, ...]         # rate [m3/s], head [m], composition [mol/m3]
    stage_wells: tuple[tuple[Well | None, ...], ...]   # wells in every stage; None: closed
    boundaries: tuple[GroundBoundary, ...]      # parts of sides that pass water
    stage_boundaries: tuple[tuple[GroundBoundary | None, ...], ...]     # the same in every stage
    sides: tuple[Side, ...]         # sides of the block that are not closed
    schedule: ScheduleData          # stages [s, V, A] and control of the time step
    sampling: tuple[Point, ...]     # points over which the summary takes the removal
    probes: tuple[Point, ...]       # points of the time series
    output: OutputEntry             # intervals [s] and mode, as [output] has them
    rates: Rates                    # processes that are not at equilibrium
    response: Response | None       # of the medium to minerals and water
    remarks: tuple[str, ...]        # on the database: what is not used of it, suspect constants
    mobility: dict[str, float]      # species -> factor [1] on the diffusion of it and its complexes
    start: Path | None              # results of another run, at whose end this one begins
    readings: tuple[Reading, ...] = ()      # the mine's files against what the grid holds
    bases: tuple[Path, ...] = ()    # directories of the cases that it extends

    @property
    def openings(self) -> tuple[Any, ...]:
        """Wells, then boundaries: all that have columns of their own."""
        return (*self.wells, *self.boundaries)

    @property
    def stage_openings(self) -> tuple[tuple[Any, ...], ...]:
        """The same in every stage; None: closed."""
        return tuple((*wells, *ground) for wells, ground in zip(
            self.stage_wells, self.stage_boundaries, strict=True))

    @property
    def processes(self) -> tuple[str, ...]:
        """Those of `state.PROCESSES` that take part: slow ones, unsaturated water, and those that
        have the name of a switch of [physics] which is on."""
        return (*self.rates.processes, *((UNSATURATED,) if self.ore.retention else ()),
                *(name for name in PROCESSES if getattr(self.physics, name, False) is True))

    @property
    def active(self) -> np.ndarray | None:
        """Mask (nz, ny, nx) of the voxels that take part; None: all of them."""
        return self.ore.ground.active

    def in_block(self, values: Any) -> Any:
        """Return values (..., nz, ny, nx), 0 in voxels that take no part."""
        return values if self.active is None else values * self.active

    @property
    def mass(self) -> float:
        """Mass of the dry ore in the block [kg]."""
        return float(self.in_block(self.ore.density).sum() * self.grid.voxel_volume)

    @property
    def pore_volume(self) -> float:
        """Volume of the block's pores [m3]."""
        return float(self.in_block(self.ore.porosity).sum() * self.grid.voxel_volume)

    def inventory(self) -> dict[str, tuple[float, float, float]]:
        """Return {component: (exchangeable, prewetting, first pore water)} in the block [mol]."""
        def moles(amount, per=1.0):
            return float(np.sum(self.in_block(amount * per)) * self.grid.voxel_volume)

        return {name: (moles(self.ore.exchangeable.get(name, 0.0)),
                       moles(self.water.prewetting.get(name, 0.0), self.ore.density),
                       moles(self.water.composition.get(name, 0.0), self.ore.water_content))
                for name in self.chemistry.components}
