"""Second stage of a step: rates of its end beside those of its start (Heun's method).

    T* = T + dt R(T),     T(t + dt) = T + dt/2 (R(T) + R(T*))

Second order in time for everything that moves, whether ions hold one another, an exchanger holds
them back or minerals answer, at twice the work of a step. T* and the result are means of explicit
steps that keep every species positive, so this does too (Shu and Osher 1988); where sources beside
transport spoil that, or the step is too long for its end, the first stage stands. Catholytes take
part; their reactions, plates and drains stay first order within a step.

Water that comes and goes is solved for twice over the step, in the fields of its start and of its
end, and moves by the mean of both: the flows that carry the species are those of its own ledger, so
that water that is alike stays so. Its sub-steps have an error of their own, as large as
ore.retention.tolerance lets them.
"""

import copy
from typing import Any, Protocol

import numpy as np

from ekm3d.boundaries.schedule import Drive
from ekm3d.diagnostics.run_view import StateView
from ekm3d.physics.electrolyte import Electrolyte
from ekm3d.physics.flow import Flow
from ekm3d.physics.potential import Potential
from ekm3d.physics.transport import Transport
from ekm3d.state import has_immobile_field

RESTORED = ("totals", "catholyte_totals", "plate_totals", "leachate", "drained", "injected",
            "gas_uptake", "dosed", "electrode_acid", "electrode_charge", "leachate_volume",
            "drained_volume", "injected_volume")
WATER = ("head", "head_trend", "water_content", "elastic_water", "water_rate")


class Stages(StateView, Protocol):
    """Simulation whose rates can be evaluated again at the end of a step."""

    case: Any
    potential: Potential
    flow: Flow
    transport: Transport
    electrolyte: Electrolyte
    drive: Drive
    wetting: bool               # water comes and goes

    def fields(self) -> Any:
        """Solve for potential and water flow of the present state."""

    def move(self, dt: float, again: bool = False) -> None:
        """Transport and react by the rates of this step."""

    def charge_limit(self) -> float:
        """Longest step [s] by the rates that are prepared in which no net charge grows."""


class HeunStage:
    """Replacement of the rates of a simulation's step by the mean of two stages.

    refused: number of steps whose first stage stood.
    """

    def __init__(self, sim: Stages):
        self.sim, self.refused = sim, 0

    def correct(self, dt: float) -> None:
        """Set the mean rates of the step; those of its start where dt is too long at its end."""
        sim, s = self.sim, self.sim.state
        names = (*RESTORED, "immobile") if has_immobile_field(s) else RESTORED
        before = {name: copy.copy(getattr(s, name)) for name in names}
        first = [rate.copy() for rate in self._rates()]
        water = {name: getattr(s, name).copy() for name in WATER} if sim.wetting else {}
        substeps = s.next_substep, sim.flow.next_step
        sim.move(dt)
        sim.fields()
        if sim.wetting:
            for name, value in water.items():
                getattr(s, name)[...] = value
            s.next_substep = substeps[0]
            sim.flow.solve(s, sim.drive, sim.potential.boundary.drop, sim.electrolyte.sigma, dt)
        limit = sim.transport.prepare(s, sim.potential, sim.flow)
        for name, value in before.items():
            setattr(s, name, value)
        limit = min(limit / sim.case.schedule.cfl, sim.charge_limit())
        accepted = dt <= limit * (1 + 1e-9)
        if accepted:
            for rate, start in zip(self._rates(), first, strict=True):
                rate[...] = 0.5 * (start + rate)
            accepted = self._positive(dt)
        if not accepted:
            self.refused += 1
            for rate, start in zip(self._rates(), first, strict=True):
                rate[...] = start
            sim.flow.next_step = substeps[1]

    def _positive(self, dt: float) -> bool:
        """Check that the mean rates leave every total positive, but for acidity, which has a sign.

        They may fail to where a gas or a mineral with a rate gave what the second stage takes away.
        """
        s, rates, sim = self.sim.state, self.sim.transport, self.sim
        pairs = [(s.totals, rates.ore)]
        if rates.still is not None:
            pairs.append((s.immobile, rates.still.gained))
        inner, per_volume = sim.grid.inner, dt / sim.grid.voxel_volume
        least = np.min([sim.backend.to_numpy((total[inner] + per_volume * gained[inner]).min(
            (1, 2, 3))) for total, gained in pairs], axis=0)
        unsigned = np.arange(len(least)) != sim.chem.hydrogen
        negative = sim.domain.any(least[unsigned] < 0)
        tanks = s.catholyte_totals + dt * rates.tank
        return not (negative or (tanks[unsigned] < 0).any())

    def _rates(self) -> list:
        """Arrays of all rates of a step, in a fixed order."""
        sim = self.sim
        return [*sim.transport.rates, *sim.flow.rates, sim.potential.boundary.into_ore]
