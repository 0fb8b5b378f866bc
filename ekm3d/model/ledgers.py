"""Ledgers of a run: what electrodes, tanks, plates and wells have given and taken."""

from typing import Any

import numpy as np

from ekm3d.state import State

Simulation = Any            # of `simulation`, which imports this module


def advance(sim: Simulation, s: State, dt: float) -> None:
    """Tanks, plates, leachate and the water that went through wells, from t to t + dt [s]."""
    strips = sim.electrodes.strips
    passed = sim.flow.sums.passed(sim.flow.wells, [sim.flow.out, sim.potential.boundary.into_ore])
    drained, into = passed.faces[:, :strips]
    collecting = np.array([well.kind == "collector" for well in sim.wells.wells], bool)
    collected = passed.shares[collecting[:len(sim.flow.wells)]].sum(0)
    for well, moved in zip(sim.wells.wells, sim.transport.wells_in, strict=False):
        if well.kind == "collector":
            s.leachate[...] -= moved * dt
        elif well.kind == "drain":
            s.drained[...] -= moved * dt
        else:
            s.injected[...] += moved * dt
    _advance_water(sim, s, dt, passed.water)
    s.injected[...] += sim.transport.side.sum(0) * dt
    s.electrode_acid[...] += sim.transport.acid * dt
    s.electrode_charge[...] += np.abs(into) * dt
    current = -np.minimum(into, 0.0)
    sim.catholytes.advance(s, dt, drained, collected, current)


def advance_water(sim: Simulation, s: State, dt: float) -> None:
    """Water that went through wells, from t to t + dt [s]."""
    _advance_water(sim, s, dt, sim.flow.sums.passed(sim.flow.wells).water)


def _advance_water(sim, s, dt, water):
    """The same, of what has been added up."""
    for (inflow, outflow), well in zip(water.tolist(), sim.wells.wells, strict=False):
        s.injected_volume += inflow * dt
        out = outflow * dt
        if well.kind == "collector":
            s.leachate_volume += out
        else:
            s.drained_volume += out
