"""Currents, voltages and water flows at electrodes and open sides during the present step."""

import numpy as np

from ekm3d.diagnostics.run_view import BoundaryView
from ekm3d.grid.grid import Array


class BoundaryValues:
    """Sums over the boundary faces of a run: by row, strip or side of the block."""

    def __init__(self, run: BoundaryView):
        self.run = run

    def _per_side(self, values: Array) -> dict[str, float]:
        """Sum of a value per boundary face over each open side, by the name of its face.

        values: (n,) of the backend.
        """
        run = self.run
        if not run.case.sides:
            return {}
        sums = run.potential.boundary.per_place(values)[0, run.electrodes.strips:]
        return {side.face: value for side, value in zip(run.case.sides, sums, strict=True)}

    def row_currents(self) -> np.ndarray:
        """Mean current from every row into the ore during the step [A]; (rows,)."""
        return self.run.electrodes.per_row(self.strip_currents())

    def strip_currents(self) -> np.ndarray:
        """Mean current from every strip into the ore during the step [A]; (strips,)."""
        run = self.run
        boundary = run.potential.boundary
        return boundary.per_place(boundary.into_ore)[0, :run.electrodes.strips]

    def side_currents(self) -> dict[str, float]:
        """Current into the block through each open side [A]."""
        return self._per_side(self.run.potential.boundary.into_ore)

    @property
    def side_power(self) -> float:
        """Power that enters the block through its sides with their currents [W].

        Against the potential 0 V of driven cathodes; 0 where no side has a potential or a current.
        """
        run, power = self.run, 0.0
        cached, state = run.backend.cached, run.potential.boundary_state
        for n, side in enumerate(run.case.sides):
            if side.potential is not None or side.current is not None:
                faces = cached(run.contacts.of_side(n))
                power += float((state.level * state.into_ore)[faces].sum())
        return power

    def side_potentials(self) -> dict[str, float]:
        """Mean potential behind each open side [V]."""
        run = self.run
        if not run.case.sides:
            return {}
        behind = run.potential.phi_at_faces(run.state.phi) - run.potential.drop
        return {side.face: float(behind[run.contacts.of_side(n)].mean())
                for n, side in enumerate(run.case.sides)}

    def side_water(self) -> dict[str, float]:
        """Water into the block through each open side [m3/s]."""
        return {face: -water for face, water in self._per_side(self.run.flow.out).items()}

    @property
    def side_flux(self) -> np.ndarray:
        """Flow of every component into the block through each open side [mol/s]; (sides, K)."""
        return self.run.transport.side

    @property
    def supplies(self) -> dict[str, tuple[float, float]]:
        """{name: (V at its terminals, A)} of several supplies while they are on."""
        network = self.run.potential.boundary.network
        return {} if network is None else network.values()

    @property
    def supply_power(self) -> float:
        """Power of all supplies, mean over pulses [W]."""
        duty = self.run.drive.duty
        return duty * sum(volts * amperes for volts, amperes in self.supplies.values())

    @property
    def terminal_voltage(self) -> float:
        """Voltage at the supply's terminals while it is on [V]; 0 while it is off."""
        run = self.run
        anodes = run.contacts.of_rows(run.drive.anodes)
        if not run.drive.on or not anodes.size:
            return 0.0
        if run.drive.supplies:
            return next(iter(self.supplies.values()))[0]
        level = float(run.potential.boundary.supplied[int(anodes[0])])
        return float(level / run.drive.duty + run.electrodes.overpotential)
