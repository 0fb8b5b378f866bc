"""Quantities of a simulation that a verification can ask for, by name.

On voxels of ore:
    total:Na+  dissolved:Na+     component per volume of rock, of moving water          [mol/m3]
    immobile:Na+                 in immobile water and on its clay, per volume of rock  [mol/m3]
    species:OH-                  aqueous species per volume of water                    [mol/m3]
    exchanged:CaX2  fraction:CaX2    exchangeable species per volume of rock; of the charge [1]
    solid:Brucite                mineral per volume of rock                             [mol/m3]
    pH  ionic_strength  phi  head                                    [1], [mol/l], [V], [m]
    pressure_head  water_content                 of ore that may be unsaturated      [m], [1]
One number:
    current:row:A  current:side:x-  current:plane:x=0.5     into the ore; up the axis        [A]
    charge:row:A                 current into the ore, summed over the steps                 [C]
    voltage                      between the driven anodes and cathodes                      [V]
    potential:side:x-            of the side's reservoir or contact                          [V]
    water:side:x+                into the block                                           [m3/s]
    passed:side_x+  passed:boundary_rain  passed:well_feed   into the block since the start   [m3]
    outflow:boundary_rain        out of the block through it now                         [m3/s]
    runoff:boundary_rain         rain that ran off since the start                           [m3]
    effluent:x+:Na+              what leaves with the water that leaves                 [mol/m3]
    amount:total:Na+             any voxel quantity times voxel volume, summed               [mol]
    front:total:Na+              where a profile crosses the middle between its ends          [m]
    largest:pH  smallest:pH      of any voxel quantity
    audit:charge  audit:mass  audit:faraday  audit:water     the run's own balances           [1]
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.errors import InputError
from ekm3d.grid.grid import Grid
from ekm3d.grid.stencil import above, below, faces
from ekm3d.quoting import quoted
from ekm3d.state import component, minerals, on_clay, stores
from ekm3d.suggest import suggest

AXES = {"z": 0, "y": 1, "x": 2}
LISTS = {"total": "components", "immobile": "components", "dissolved": "components",
         "species": "species", "exchanged": "exchange", "fraction": "exchange", "solid": "minerals"}
PLAIN = ("pH", "ionic_strength", "phi", "head", "pressure_head", "water_content")
OF_VOXELS = ("amount", "front", "largest", "smallest")


Simulation = Any                                            # of model; tests pass parts of one
Region = Callable[[dict[str, np.ndarray]], np.ndarray]      # {"x": ..., ...} [m] -> mask


class UnknownQuantity(InputError):
    """No quantity has that name; the message suggests one or lists those there are."""


@dataclass(frozen=True)
class Sample:
    """A quantity on the voxels of a block; mask: voxels of ore within the region looked at."""

    values: np.ndarray      # (nz, ny, nx)
    mask: np.ndarray        # (nz, ny, nx)
    grid: Grid

    def centres(self) -> dict[str, np.ndarray]:
        """Return {"x": (n,), "y": (n,), "z": (n,)} of the voxels in the mask [m]."""
        z, y, x = (self.grid.centres(axis) for axis in range(3))
        zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
        return {"x": xx[self.mask], "y": yy[self.mask], "z": zz[self.mask]}


class Record:
    """Sums over the steps of a run that its state does not keep."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.charge = np.zeros(len(sim.electrodes.rows))    # C into the ore, by row

    def add(self, dt: float) -> None:
        """Add the step of length dt [s] that has just been taken."""
        self.charge += self.sim.boundary_values.row_currents() * dt


def expand(name: str, sim: Simulation) -> list[str]:
    """Return the names of a pattern such as "species:*"."""
    head, _, rest = name.partition(":")
    if head in LISTS and rest == "*":
        return [f"{head}:{item}" for item in getattr(sim.chem, LISTS[head])]
    return [name]


def evaluate(name: str, sim: Simulation, record: Record,
             region: Region | None = None) -> Sample | float:
    """Return a quantity at the present time: a Sample, or a number over the region if given.

    UnknownQuantity where the case has no such quantity.
    """
    head, _, rest = name.partition(":")
    if head in LISTS or name in PLAIN:
        return _on_voxels(head, rest, sim)
    if head in OF_VOXELS:
        kind, _, item = rest.partition(":")
        if kind not in LISTS and rest not in PLAIN:
            raise UnknownQuantity(f"{head} needs a quantity on voxels, not {quoted(rest)}")
        return _reduced(head, _on_voxels(kind, item, sim, region))
    if head in NUMBERS:
        return float(NUMBERS[head](rest, sim, record, region))
    raise UnknownQuantity(f"no quantity {quoted(name)}" + suggest(
        head, [*LISTS, *PLAIN, *OF_VOXELS, *NUMBERS]))


# ---- on voxels -------------------------------------------------------------------------------

def _on_voxels(head: str, item: str, sim: Simulation, region: Region | None = None) -> Sample:
    values = PLAIN_VALUES[head](sim) if head in PLAIN else LIST_VALUES[head](sim, _index(
        item, getattr(sim.chem, LISTS[head]), head))
    values = np.array(sim.backend.to_numpy(values))         # a copy: a state's array changes
    return Sample(values, _mask(sim, region), sim.grid)


def _index(item: str, names: Sequence[str], kind: str) -> int:
    if item not in names:
        raise UnknownQuantity(f"the case has no {kind} {quoted(item)}" + suggest(item, names))
    return names.index(item)


def _mask(sim: Simulation, region: Region | None) -> np.ndarray:
    """Return the mask of voxels of ore in a region."""
    mask = sim.electrodes.ore.copy()
    if region is not None:
        z, y, x = (sim.grid.centres(axis) for axis in range(3))
        zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
        mask &= np.broadcast_to(region({"x": xx, "y": yy, "z": zz}), mask.shape)
    return mask


def _inner(sim: Simulation, name: str) -> Any:
    return getattr(sim.state, name)[sim.grid.inner]


def _equivalent_fraction(sim: Simulation, n: int) -> np.ndarray:
    """Return the share of exchangeable species n in the charge of its exchanger."""
    amounts = sim.backend.to_numpy(on_clay(sim.state, sim.grid.inner))
    charges = amounts * sim.chem.z_x[:, None, None, None]
    total = charges[sim.chem.site_of == sim.chem.site_of[n]].sum(0)
    return np.divide(charges[n], total, out=np.zeros_like(total), where=total > 0)


def _immobile(sim: Simulation, n: int) -> Any:
    """Return the total of component n in immobile water, 0 in a case without it."""
    return sum((still[n] for still in stores(sim.state, "immobile")),
               sim.backend.zeros(sim.grid.padded))[sim.grid.inner]


LIST_VALUES: dict[str, Callable[[Simulation, int], Any]] = {
    "total": lambda sim, n: component(sim.state, sim.chem, n)[sim.grid.inner],
    "immobile": _immobile,
    "dissolved": lambda sim, n: sim.state.weighted_sum(sim.chem.nu[:, n], _inner(sim, "c")),
    "species": lambda sim, n: _inner(sim, "c")[n],
    "exchanged": lambda sim, n: on_clay(sim.state, sim.grid.inner)[n],
    "fraction": _equivalent_fraction,
    "solid": lambda sim, n: minerals(sim.state, sim.grid.inner)[n],
}
PLAIN_VALUES: dict[str, Callable[[Simulation], Any]] = {
    "pH": lambda sim: _inner(sim, "pH"),
    "ionic_strength": lambda sim: 0.5e-3 * sim.state.weighted_sum(
        sim.chem.z.astype(float)**2, _inner(sim, "c")),
    "phi": lambda sim: _inner(sim, "phi"),
    "head": lambda sim: _inner(sim, "head"),
    "pressure_head": lambda sim: _inner(sim, "head") - sim.backend.from_numpy(
        sim.grid.centres(0)[:, None, None].copy()),
    "water_content": lambda sim: sim.nonequilibrium.water_content()[sim.grid.inner],
}


# ---- one number ------------------------------------------------------------------------------

def _reduced(head: str, sample: Sample) -> float:
    """Return the amount, front position, largest or smallest value of a Sample."""
    values = sample.values[sample.mask]
    if head == "amount":
        return float(values.sum() * sample.grid.voxel_volume)
    if head == "front":
        return _front(sample)
    return float(values.max() if head == "largest" else values.min())


def _front(sample: Sample) -> float:
    """Return the first crossing of a profile with the mean of its two ends [m]; nan without one.

    The profile runs along the longest axis, averaged over layers in which all voxels hold ore.
    """
    axis = int(np.argmax(sample.grid.shape))
    keep = np.moveaxis(sample.mask, axis, -1).reshape(-1, sample.grid.shape[axis])
    lines = np.moveaxis(sample.values, axis, -1).reshape(keep.shape)
    full = keep.all(0)
    x, profile = sample.grid.centres(axis)[full], lines.mean(0)[full]
    above_middle = profile - 0.5 * (profile[0] + profile[-1])
    crossing = np.flatnonzero(np.diff(np.sign(above_middle)) != 0)
    if not crossing.size:
        return np.nan
    n = crossing[0]
    a, b = above_middle[n:n + 2]
    return float(x[n] + (x[n + 1] - x[n]) * a / (a - b))


def _current(rest: str, sim: Simulation, record: Record, region: Region | None) -> float:
    """Return a current into the ore of a row or side, or through a plane [A]."""
    kind, _, which = rest.partition(":")
    if kind == "row":
        return sim.boundary_values.row_currents()[_index(which, sim.electrodes.rows, "row")]
    if kind == "side":
        return _side(sim.boundary_values.side_currents(), which)
    if kind == "plane":
        return _through_plane(which, sim, region)
    raise UnknownQuantity(f"current:{rest}: write current:row:NAME, current:side:FACE or "
                          "current:plane:x=0.5")


def _side(values: Mapping[str, float], face: str) -> float:
    if face not in values:
        raise UnknownQuantity(f"the case has no side {quoted(face)}" + suggest(face, values))
    return values[face]


def _through_plane(text: str, sim: Simulation, region: Region | None) -> float:
    """Return the current up the axis through a plane of faces inside the block [A]."""
    name, _, place = text.partition("=")
    axis, grid = AXES[name], sim.grid
    n = (float(place) - grid.origin[2 - axis]) / grid.spacing_along(axis)
    if abs(n - round(n)) > 1e-6 or not 0 < round(n) < grid.shape[axis]:
        raise UnknownQuantity(f"current:plane:{text}: no plane of faces between voxels lies there")
    p = sim.potential
    drop = below(sim.state.phi, axis) - above(sim.state.phi, axis)
    through = faces(p.conductance[axis], axis) * drop + faces(p.current[axis], axis)
    through = np.take(through, round(n), axis)
    if region is not None:
        coordinates = dict(zip("zyx", np.meshgrid(*[
            np.array([float(place)]) if a == axis else grid.centres(a) for a in range(3)],
            indexing="ij"), strict=True))
        through = through * np.squeeze(region(coordinates), axis)
    return through.sum()


def _effluent(rest: str, sim: Simulation, record: Record, region: Region | None) -> float:
    """Return the concentration of a component in water leaving through a side [mol/m3]."""
    face, _, name = rest.partition(":")
    out = _side(sim.boundary_values.side_water(), face)
    n = [side.face for side in sim.case.sides].index(face)
    k = _index(name, sim.chem.components, "component")
    if out >= 0.0:
        raise UnknownQuantity(f"effluent:{rest}: no water leaves through {face}")
    return sim.boundary_values.side_flux[n, k] / out


def _way(rest: str, sim: Simulation) -> int:
    """Return the number of a well, boundary or side in the budget."""
    return _index(rest, sim.balances.budget.ways, "well, boundary or side")


def _passed(rest: str, sim: Simulation, record: Record, region: Region | None) -> float:
    """Return the water that a well, boundary or side let in since the start, less that out [m3]."""
    n, budget = _way(rest, sim), sim.balances.budget
    return budget.water_in[n] - budget.water_out[n]


def _outflow(rest: str, sim: Simulation, record: Record, region: Region | None) -> float:
    """Return the water that leaves through a well or boundary now [m3/s]."""
    return -float(sim.flow.wells[_way(rest, sim)][1].sum())


def _audit(rest: str, sim: Simulation, record: Record, region: Region | None) -> float:
    """Return the largest error of a balance of the run [1]."""
    audits = {"charge": lambda: sim.balances.charge_max, "faraday": sim.balances.faraday_error,
              "mass": lambda: sim.balances.mass_errors().max(),
              "water": lambda: sim.balances.water_max}
    if rest not in audits:
        raise UnknownQuantity(f"no audit {quoted(rest)}" + suggest(rest, audits))
    return audits[rest]()


def _charge(rest: str, sim: Simulation, record: Record, region: Region | None) -> float:
    """Return the charge from a row into the ore since the start [C]."""
    return record.charge[_index(rest.removeprefix("row:"), sim.electrodes.rows, "row")]


NUMBERS: dict[str, Callable[[str, Simulation, Record, Region | None], float]] = {
    "current": _current,
    "charge": _charge,
    "voltage": lambda rest, sim, record, region: sim.boundary_values.terminal_voltage,
    "potential": lambda rest, sim, record, region: _side(
        sim.boundary_values.side_potentials(), rest.removeprefix("side:")),
    "water": lambda rest, sim, record, region: _side(
        sim.boundary_values.side_water(), rest.removeprefix("side:")),
    "effluent": _effluent,
    "passed": _passed,
    "outflow": _outflow,
    "runoff": lambda rest, sim, record, region: sim.balances.budget.runoff[_way(rest, sim)],
    "audit": _audit,
}
