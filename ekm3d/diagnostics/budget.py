"""Budget of a run: water and components in and out, by well, side, plate, electrode and gas.

Amounts are sums from t = 0 and never negative, but for acidity, which has a sign: what enters and
what leaves are added up apart, opening by opening and face by face, so that a side that takes in
as much as it lets out does not look closed. Water that reaches a cathode's tank leaves through the
wells there, in proportion to what each of them draws.
"""

from collections.abc import Sequence

import numpy as np

from ekm3d.diagnostics.run_view import BudgetView
from ekm3d.grid.grid import Array


class Budget:
    """Water [m3] and components [mol] that passed every well and every side; ways: their names.

    water_in, water_out: (ways,); moved_in, moved_out: (ways, components), into and out of block
    and tanks; runoff, salt_in_runoff: (ways,), (ways, components) of rain that the ore does not
    take in, which never was in the block; gained, given_off: (components,) from and to gases.
    """

    def __init__(self, sim: BudgetView):
        self.sim = sim
        self.wells = len(sim.flow.sources)
        self.ways = (*(well.way for well in sim.case.openings),
                     *(f"side_{side.face}" for side in sim.case.sides))
        n, k = len(self.ways), len(sim.chem.components)
        self.water_in, self.water_out = np.zeros(n), np.zeros(n)
        self.moved_in, self.moved_out = np.zeros((n, k)), np.zeros((n, k))
        self.runoff, self.salt_in_runoff = np.zeros(n), np.zeros((n, k))
        self.gained, self.given_off = np.zeros(k), np.zeros(k)
        self.gas = sim.state.gas_uptake.copy()
        self.shares = np.zeros((0, 0))

    @property
    def fed(self) -> np.ndarray:
        """Amount (components,) [mol] that has entered: wells, sides, gases, dosed acid."""
        return self.moved_in.sum(0) + self.gained + self.sim.state.dosed

    @property
    def lost(self) -> np.ndarray:
        """Amount (components,) [mol] that has left, neither as leachate nor on a plate."""
        kinds = [well.kind for well in self.sim.case.openings]
        lost = np.array([kind != "collector" for kind in kinds]
                        + [True] * (len(self.ways) - self.wells), bool)
        return self.moved_out[lost].sum(0) + self.given_off

    @property
    def passed(self) -> np.ndarray:
        """Sum (components,) [mol] of all amounts that have entered or left, taken as positive."""
        return (np.abs(self.moved_in).sum(0) + np.abs(self.moved_out).sum(0) + self.gained
                + self.given_off + np.abs(self.sim.state.dosed))

    def water(self, dt: float) -> None:
        """Add the water of a step of length dt [s]."""
        self._water(dt, self.sim.flow.sums.passed(self.sim.flow.wells).water)

    def _water(self, dt, passed):
        """The same, of what passed every well (wells, 2) [m3/s]."""
        flow, sides = self.sim.flow, slice(self.wells, None)
        for n, (inflow, outflow) in enumerate(passed):
            self.water_in[n] += inflow * dt
            self.water_out[n] += outflow * dt
        refused = flow.refused[:self.wells] * dt
        if refused.any():
            self.runoff[:self.wells] += refused
            self.salt_in_runoff[:self.wells] += refused[:, None] * flow.sources.feeds_in(flow.stage)
        entering, leaving = flow.through_sides()
        self.water_in[sides] += entering * dt
        self.water_out[sides] += leaving * dt

    def before(self, dt: float, beside: Sequence[Array] = ()) -> list[np.ndarray]:
        """Add a step whose rates are known: water, and what does not pass a tank.

        beside: arrays of the backend, which are returned on the host: it waits once for all.
        """
        flow, transport, count = self.sim.flow, self.sim.transport, len(self.sim.flow.wells)
        moved = [self.sim.backend.sum_where(moved, mask(inflow, 0))
                 for mask in (np.greater, np.less)
                 for (_, inflow), moved in zip(flow.wells, transport.openings, strict=True)]
        passed = flow.sums.passed(flow.wells, (), [*beside, *([np.stack(moved)] if moved else [])])
        self._water(dt, passed.water)
        if moved:
            entering, leaving = passed.beside.pop().reshape(2, count, -1)
            self.moved_in[:count] += entering * dt
            self.moved_out[:count] -= leaving * dt
        self.moved_in[self.wells:] += transport.side_in * dt
        self.moved_out[self.wells:] += (transport.side_in - transport.side) * dt
        self.shares = passed.shares
        return passed.beside

    def after(self) -> None:
        """Add what left the tanks with their water, and what gases gave and took."""
        left = self.sim.catholytes.left                                 # (components, strips)
        self.moved_out[:len(self.shares)] += self.shares @ left.T
        change = self.sim.state.gas_uptake - self.gas
        self.gas = self.sim.state.gas_uptake.copy()
        self.gained += np.maximum(change, 0.0)
        self.given_off += np.maximum(-change, 0.0)
