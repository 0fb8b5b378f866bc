"""Protocols of a run: the parts of a simulation that the diagnostics read, and nothing else.

A `Simulation` satisfies all of them; a test may satisfy one with a few arrays.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.boundaries.schedule import Drive, Schedule
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.catholyte import Catholytes
from ekm3d.physics.electrolyte import Electrolyte
from ekm3d.physics.flow import Flow
from ekm3d.physics.potential import Potential
from ekm3d.physics.reactions import Reactions
from ekm3d.physics.rock import Rock
from ekm3d.physics.transport import Transport
from ekm3d.state import State


class StateView(Protocol):
    """State of a run on this rank's part of the grid."""

    grid: Grid
    domain: Domain
    backend: Backend
    chem: ChemicalSystem
    state: State
    rock: Rock
    electrodes: Electrodes
    holds_ore: np.ndarray       # (nz, ny, nx) of this rank: voxels of ore


class MediumView(Protocol):
    """Rock that responds to its chemistry."""

    @property
    def media(self) -> Sequence:
        """Responding media; none where the rock does not change."""

    def rock_now(self, name: str) -> Any: ...

    def water_content(self) -> Any: ...


class FieldView(StateView, Protocol):
    """State with the fluxes that voxel fields are derived from."""

    ore: Any                    # properties of the ore, as the case gives them, on this rank
    case: Any                   # output
    contacts: BoundaryFaces
    potential: Potential
    flow: Flow
    electrolyte: Electrolyte

    @property
    def nonequilibrium(self) -> MediumView: ...


class HeadView(StateView, Protocol):
    """State with the flow of its wells."""

    case: Any                   # wells
    flow: Flow


class BudgetView(StateView, Protocol):
    """State with what enters and leaves it."""

    case: Any                   # wells, sides
    contacts: BoundaryFaces
    flow: Flow
    transport: Transport
    catholytes: Catholytes


class BalanceView(BudgetView, Protocol):
    """State with the fluxes that balances add up."""

    physics: Any                # switches: potential, ...
    electrolyte: Electrolyte
    reactions: Reactions


class BoundaryView(Protocol):
    """Solution at electrodes and open sides."""

    case: Any                   # sides
    backend: Backend
    domain: Domain
    state: State
    electrodes: Electrodes
    contacts: BoundaryFaces
    potential: Potential
    flow: Flow
    transport: Transport
    drive: Drive


class BalancesView(Protocol):
    """Errors of the balances so far."""

    charge_max: float | None
    water_max: float | None
    budget: Any                 # a Budget

    def mass_errors(self) -> np.ndarray | None: ...

    def columns(self) -> dict[str, float | None]: ...

    def faraday_error(self) -> float | None: ...


class BoundaryValuesView(Protocol):
    """Currents and voltages of the present step."""

    @property
    def terminal_voltage(self) -> float: ...

    @property
    def supplies(self) -> dict[str, tuple[float, float]]: ...

    @property
    def supply_power(self) -> float: ...

    @property
    def side_power(self) -> float: ...

    def side_currents(self) -> dict[str, float]: ...

    def row_currents(self) -> np.ndarray: ...

    def strip_currents(self) -> np.ndarray: ...


class RunView(FieldView, Protocol):
    """Run whose time series and summary are recorded."""

    case: Any                   # title, ore, sampling points, probes
    schedule: Schedule
    catholytes: Catholytes
    drive: Drive
    dt: float                   # s

    @property
    def balances(self) -> BalancesView: ...

    @property
    def boundary_values(self) -> BoundaryValuesView: ...


class AuditView(RunView, BalanceView, Protocol):
    """Run whose errors are held against limits."""
