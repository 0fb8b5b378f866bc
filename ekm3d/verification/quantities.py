"""What a verification can ask of a simulation, by name.

On voxels of ore:
    total:Na+  dissolved:Na+     component per volume of rock, of moving water          [mol/m3]
    immobile:Na+                 in immobile water and on its clay, per volume of rock  [mol/m3]
    species:OH-                  aqueous species per volume of water                    [mol/m3]
    exchanged:CaX2  fraction:CaX2    exchangeable species per volume of rock; of the charge [1]
    solid:Brucite                mineral per volume of rock                             [mol/m3]
    pH  ionic_strength  phi  head                                    [1], [mol/l], [V], [m]
One number:
    current:row:A  current:side:x-  current:plane:x=0.5     into the ore; up the axis        [A]
    charge:row:A                 current into the ore, summed over the steps                 [C]
    voltage                      between the driven anodes and cathodes                      [V]
    potential:side:x-            of the side's reservoir or contact                          [V]
    water:side:x+                into the block                                           [m3/s]
    effluent:x+:Na+              what leaves with the water that leaves                 [mol/m3]
    amount:total:Na+             any voxel quantity times voxel volume, summed               [mol]
    front:total:Na+              where a profile crosses the middle between its ends          [m]
    largest:pH  smallest:pH      of any voxel quantity
    audit:charge  audit:mass  audit:faraday                  the run's own balances           [1]
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.errors import InputError
from ekm3d.grid.stencil import above, below, faces
from ekm3d.state import components, minerals, on_clay
from ekm3d.suggest import suggest

AXES = {"z": 0, "y": 1, "x": 2}
LISTS = {"total": "components", "immobile": "components", "dissolved": "components",
         "species": "species", "exchanged": "exchange", "fraction": "exchange", "solid": "minerals"}
PLAIN = ("pH", "ionic_strength", "phi", "head")
OF_VOXELS = ("amount", "front", "largest", "smallest")


class UnknownQuantity(InputError):
    """No quantity has that name; the text says which there are."""


@dataclass(frozen=True)
class Sample:
    """A quantity on the voxels of a block; mask: those that hold ore and are looked at."""

    values: np.ndarray      # (nz, ny, nx)
    mask: np.ndarray
    grid: object

    def centres(self):
        """{"x": ..., "y": ..., "z": ...} of the voxels in the mask [m]."""
        z, y, x = (self.grid.centres(axis) for axis in range(3))
        zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
        return {"x": xx[self.mask], "y": yy[self.mask], "z": zz[self.mask]}


class Record:
    """Sums over the steps that a state does not keep."""

    def __init__(self, sim):
        self.sim = sim
        self.charge = np.zeros(len(sim.electrodes.rows))    # C into the ore, by row

    def add(self, dt):
        """Note the step that has just been taken."""
        self.charge += self.sim.boundary_values.row_currents() * dt


def expand(name, sim):
    """The names that a pattern such as "species:*" stands for."""
    head, _, rest = name.partition(":")
    if head in LISTS and rest == "*":
        return [f"{head}:{item}" for item in getattr(sim.chem, LISTS[head])]
    return [name]


def evaluate(name, sim, record, region=None):
    """A Sample or a float; a number counts only the region {"x": ...} -> mask, if given."""
    head, _, rest = name.partition(":")
    if head in LISTS or name in PLAIN:
        return _on_voxels(head, rest, sim)
    if head in OF_VOXELS:
        kind, _, item = rest.partition(":")
        if kind not in LISTS and rest not in PLAIN:
            raise UnknownQuantity(f"{head} needs a quantity on voxels, not {rest!r}")
        return _reduced(head, _on_voxels(kind, item, sim, region))
    if head in NUMBERS:
        return float(NUMBERS[head](rest, sim, record, region))
    raise UnknownQuantity(f"no quantity {name!r}" + suggest(
        head, [*LISTS, *PLAIN, *OF_VOXELS, *NUMBERS]))


# ---- on voxels -------------------------------------------------------------------------------

def _on_voxels(head, item, sim, region=None):
    values = PLAIN_VALUES[head](sim) if head in PLAIN else LIST_VALUES[head](sim, _number(
        item, getattr(sim.chem, LISTS[head]), head))
    values = np.array(sim.backend.to_numpy(values))
    return Sample(values, _mask(sim, region), sim.grid)     # a state's array changes


def _number(item, names, what):
    if item not in names:
        raise UnknownQuantity(f"the case has no {what} {item!r}" + suggest(item, names))
    return names.index(item)


def _mask(sim, region):
    """Voxels of ore in a region."""
    mask = sim.electrodes.ore.copy()
    if region is not None:
        z, y, x = (sim.grid.centres(axis) for axis in range(3))
        zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
        mask &= np.broadcast_to(region({"x": xx, "y": yy, "z": zz}), mask.shape)
    return mask


def _inner(sim, name):
    return getattr(sim.state, name)[sim.grid.inner]


def _fraction(sim, n):
    """Share of the charge of the exchanger that species n is on."""
    held = sim.backend.to_numpy(on_clay(sim.state)[sim.grid.inner])
    amounts = held * sim.chem.z_x[:, None, None, None]
    whole = amounts[sim.chem.site_of == sim.chem.site_of[n]].sum(0)
    return np.divide(amounts[n], whole, out=np.zeros_like(whole), where=whole > 0)


LIST_VALUES = {
    "total": lambda sim, n: components(sim.state, sim.chem)[sim.grid.inner][n],
    "immobile": lambda sim, n: _inner(sim, "immobile")[n],
    "dissolved": lambda sim, n: sim.state.weighted_sum(sim.chem.nu[:, n], _inner(sim, "c")),
    "species": lambda sim, n: _inner(sim, "c")[n],
    "exchanged": lambda sim, n: on_clay(sim.state)[sim.grid.inner][n],
    "fraction": _fraction,
    "solid": lambda sim, n: minerals(sim.state)[sim.grid.inner][n],
}
PLAIN_VALUES = {
    "pH": lambda sim: _inner(sim, "pH"),
    "ionic_strength": lambda sim: 0.5e-3 * sim.state.weighted_sum(
        sim.chem.z.astype(float)**2, _inner(sim, "c")),
    "phi": lambda sim: _inner(sim, "phi"),
    "head": lambda sim: _inner(sim, "head"),
}


# ---- one number ------------------------------------------------------------------------------

def _reduced(head, field):
    values = field.values[field.mask]
    if head == "amount":
        return float(values.sum() * field.grid.voxel_volume)
    if head == "front":
        return _front(field)
    return float(values.max() if head == "largest" else values.min())


def _front(field):
    """Where the profile along the longest axis first passes the mean of its two ends [m]."""
    axis = int(np.argmax(field.grid.shape))
    keep = np.moveaxis(field.mask, axis, -1).reshape(-1, field.grid.shape[axis])
    lines = np.moveaxis(field.values, axis, -1).reshape(keep.shape)
    live = keep.all(0)
    x, profile = field.grid.centres(axis)[live], lines.mean(0)[live]
    above_middle = profile - 0.5 * (profile[0] + profile[-1])
    crossing = np.flatnonzero(np.diff(np.sign(above_middle)) != 0)
    if not crossing.size:
        return np.nan
    n = crossing[0]
    a, b = above_middle[n:n + 2]
    return float(x[n] + (x[n + 1] - x[n]) * a / (a - b))


def _current(rest, sim, record, region):
    kind, _, which = rest.partition(":")
    if kind == "row":
        return sim.boundary_values.row_currents()[_number(which, sim.electrodes.rows, "row")]
    if kind == "side":
        return _side(sim.boundary_values.side_currents(), which)
    if kind == "plane":
        return _through_plane(which, sim, region)
    raise UnknownQuantity(f"current:{rest}: write current:row:NAME, current:side:FACE or "
                          "current:plane:x=0.5")


def _side(values, face):
    if face not in values:
        raise UnknownQuantity(f"the case has no side {face!r}" + suggest(face, values))
    return values[face]


def _through_plane(text, sim, region):
    """Current up the axis through a plane of faces inside the block [A]."""
    name, _, place = text.partition("=")
    axis, grid = AXES[name], sim.grid
    n = (float(place) - grid.origin[2 - axis]) / grid.step(axis)
    if abs(n - round(n)) > 1e-6 or not 0 < round(n) < grid.shape[axis]:
        raise UnknownQuantity(f"current:plane:{text}: no plane of faces between voxels lies there")
    p = sim.potential
    drop = below(sim.state.phi, axis) - above(sim.state.phi, axis)
    through = faces(p.conductance[axis], axis) * drop + faces(p.current[axis], axis)
    through = np.take(through, round(n), axis)
    if region is not None:
        coordinates = dict(zip("zyx", np.meshgrid(*[
            np.array([float(place)]) if a == axis else grid.centres(a) for a in range(3)],
            indexing="ij")))
        through = through * np.squeeze(region(coordinates), axis)
    return through.sum()


def _effluent(rest, sim, record, region):
    face, _, name = rest.partition(":")
    out = _side(sim.boundary_values.side_water(), face)
    n = [side.face for side in sim.case.sides].index(face)
    k = _number(name, sim.chem.components, "component")
    if out >= 0.0:
        raise UnknownQuantity(f"effluent:{rest}: no water leaves through {face}")
    return sim.boundary_values.side_flux[n, k] / out


def _audit(rest, sim, record, region):
    audits = {"charge": lambda: sim.balances.charge_max, "faraday": sim.balances.faraday_error,
              "mass": lambda: sim.balances.mass_errors().max()}
    if rest not in audits:
        raise UnknownQuantity(f"no audit {rest!r}" + suggest(rest, audits))
    return audits[rest]()


def _charge(rest, sim, record, region):
    return record.charge[_number(rest.removeprefix("row:"), sim.electrodes.rows, "row")]


NUMBERS = {
    "current": _current,
    "charge": _charge,
    "voltage": lambda rest, sim, record, region: sim.boundary_values.terminal_voltage,
    "potential": lambda rest, sim, record, region: _side(
        sim.boundary_values.side_potentials(), rest.removeprefix("side:")),
    "water": lambda rest, sim, record, region: _side(
        sim.boundary_values.side_water(), rest.removeprefix("side:")),
    "effluent": _effluent,
    "audit": _audit,
}
