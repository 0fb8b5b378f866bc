"""Worlds: arguments for every operator made from its signature, with a scale for its rounding.

What a parameter is called decides what it holds, what the declaration says how much of it; the
worlds below drive every branch. Outputs start as NaN, and so do all ghosts that no stencil may
read.
"""

import re

import numpy as np
from helpers.operators import operators

from ekm3d import retention_curves
from ekm3d.backends import kernel_signature
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import GHOST, Grid
from ekm3d.grid.stencil import above, below, ends, faces
from ekm3d.physics import (
    divergence,
    flow,
    head_update,
    immobile_transport,
    potential,
    retention,
    surface_conduction,
    transport,
)
from ekm3d.resources import kernel_text

COUNTS = {"NS": 7, "NK": 5, "NF": 3, "NT": 1, "NX": 4, "NX1": 5}
FLOOR = 1e-300                       # below, numbers turn subnormal and lose their digits

# Never two axes alike, single voxels along each, strips that are cut in two, more than one tile
# along y and z; strips cut in three, and enough voxels to be shared among threads.
SHAPES = [(7, 5, 3), (1, 6, 4), (9, 1, 2), (3, 8, 1), (1, 1, 1), (131, 2, 1), (2, 17, 35)]
LARGE = (257, 9, 17)

# drop: scatter of the potential from voxel to voxel [V]; water [m3/s] and dispersivity [m]: how
# much of them; decades of concentration; turn: dt / (theta V) [s/m3]; closed: share of voxels;
# growth: of concentrations from voxel to voxel.
WORLDS = {
    "still": dict(drop=0.0, water=0.0, decades=(-12, 3)),
    "central": dict(drop=0.005, water=0.0, decades=(-3, 1)),
    "drift": dict(drop=1.0, water=0.0, decades=(-12, 3)),
    "water": dict(drop=0.0, water=1e-9, decades=(-3, 3)),
    "both": dict(drop=0.3, water=1e-8, decades=(-6, 3), closed=0.1),
    "sharp": dict(drop=0.02, water=1e-3, decades=(-6, 3), turn=1e2, dispersivity=1e-9),
    "growing": dict(drop=0.02, water=1e-3, decades=(-1, 0), turn=1e2, dispersivity=1e-9,
                    growth=1.5),
    "traces": dict(drop=0.1, water=1e-8, decades=(-290, 3)),
    "traces only": dict(drop=0.1, water=1e-8, decades=(-200, -150)),
    "wild": dict(drop=1e3, water=1.0, decades=(-30, 6), turn=1e11, closed=0.5),
    "upwind": dict(drop=0.3, water=1e-8, decades=(-3, 3), blend=0.0),
    "nothing conducts": dict(drop=0.3, water=1e-8, decades=(-3, 3), closed=1.0),
}
# One dry and one with water: of 2382 branches that all worlds take in the kernels (gcov, -O0, small
# shapes) these two take all but 8. Others add values, not paths, to how LARGE is cut and shared.
BRANCHING = ("central", "growing")


class World:
    """Values for parameters by their names; `padded` fields first, whatever an operator takes."""

    def __init__(self, cells, rng, drop, water, decades, turn=1e8, dispersivity=0.05, closed=0.3,
                 blend=1.0, growth=None):
        self.grid, self.rng, self.blend = Grid(cells, (0.1, 0.2, 0.3)), rng, blend
        shape, ns, nk, nf, _, nx, _ = self.grid.padded, *COUNTS.values()
        self.c = 10.0 ** rng.uniform(*decades, (ns, *shape))
        self.c[rng.random(self.c.shape) < 0.2] = 0.0
        self.c[rng.random(self.c.shape) < 0.2] = 7.0 * 10.0**decades[0]
        self.c[rng.random(self.c.shape) < 0.2] *= 1 + 1e-9          # plateaus, and almost
        if growth:                          # upstream / own is growth, or 1 / growth
            self.c = growth ** np.indices(shape).sum(0) * rng.uniform(0.9, 1.1, (ns, 1, 1, 1))
        self.transport_factor = 10.0 ** rng.uniform(-6, 0, shape) * (rng.random(shape) >= closed)
        for axis in range(3):               # closed two layers out, but not next to the box
            np.moveaxis(self.transport_factor, axis, 0)[[0, -1]] = 0.0
        self.transport_factor = self.transport_factor[None]     # for all axes
        self.phi = rng.normal(0, drop, shape)
        self.previous_phi = np.where(rng.random(shape) < 0.9, self.phi, rng.normal(0, drop, shape))
        self.pore_turnover = rng.uniform(0, turn, shape)
        self.use_smaller_side = (rng.random((3, *shape)) < 0.1).astype(np.uint8)
        self.use_smaller_side[..., shape[2] // 2:] = 0          # strips without any, too
        self.water = rng.normal(0, water, (3, *shape)) * (rng.random((3, *shape)) < 0.8)
        self.dispersivity = rng.uniform(0, dispersivity, shape)
        self.z = np.array([1.0, 0.0, -2.0, 3.0, -1.0, 2.0, 1.0])
        self.diffusion = rng.uniform(0.6e-9, 9.3e-9, ns)
        self.nu = rng.integers(-4, 3, (ns, nk)) * (rng.random((ns, nk)) < 0.5) * 1.0
        for name in ("diffusive", "advective", "cation_drift", "anion_drift", "pore_volume"):
            setattr(self, name, 10.0 ** rng.uniform(-12, 0, shape) * (rng.random(shape) < 0.8))
        self.fastest = rng.uniform(0, 1e-8, (nf, 3))
        self.water_content, self.hydraulic_conductivity = (          # some voxels without
            rng.random(shape) * (rng.random(shape) >= closed) for _ in range(2))
        self.exchanged = self.c[:nx] * (rng.random(shape) < 0.5)
        self.exchange_charge = np.append(rng.integers(1, 4, nx).astype(float), 0.0)
        for name in ("amount", "given", "charge", "electroosmosis", "head"):
            setattr(self, name, rng.normal(size=shape) * 10.0 ** rng.uniform(-6, 3, shape))
        self.flow = rng.normal(size=(3, *shape))
        self.conductance = 10.0 ** rng.uniform(-9, 0, (3, *shape)) * (
            rng.random((3, *shape)) >= closed)
        self.sigma = 10.0 ** rng.uniform(-6, 1, shape) * (rng.random(shape) >= closed)
        self.gained, self.total = rng.normal(size=(2, nk, *shape))
        self._immobile(rng, shape)
        self._unsaturated(rng, shape)
        self.factor, self.share, self.dt, self.highest, self.kept = 0.7, -1.3, 37.0, 3.0, 0.8
        self.poison()

    def _immobile(self, rng, shape):
        """Immobile water, what it gains, and cations on clay."""
        self.still_c = self.c[::-1] * (rng.random(self.c.shape) < 0.8)
        self.still_gained = rng.normal(size=(COUNTS["NK"], *shape)) * 1e-9
        self.clay_factor = 0.02 * self.transport_factor
        self.exchange_z = rng.integers(1, 4, COUNTS["NX"]).astype(float)
        self.exchange_diffusion = rng.uniform(0.6e-9, 9.3e-9, COUNTS["NX"])
        self.exchange_nu = rng.integers(0, 3, (COUNTS["NX"], COUNTS["NK"])).astype(float)
        self.component_charge = rng.integers(-2, 4, COUNTS["NK"]).astype(float)

    def _unsaturated(self, rng, shape):
        """Rocks of every model in boxes, and their water from full to very dry."""
        parts = np.indices(shape).sum(0) // 3 % 6              # of several voxels: faces within
        self.curve = np.zeros((len(retention_curves.PARAMETERS), *shape))
        one, two, burnt = ((parts == n) for n in (1, 2, 3))
        self.curve[0] = np.array([1, 1, 1, 2, 3, 0])[parts]
        for n, (low, high) in enumerate([(0.5, 10), (1.1, 3), (0.01, 0.1), (0.3, 0.45),
                                         (-0.5, 1)], 1):
            self.curve[n] = rng.uniform(low, high, 6)[parts]
        self.curve[6] = 0.02 * one
        for n, values in ((7, 0.7), (8, 1.3), (9, 0.4)):
            self.curve[n] = values * (two + 0 * burnt)
        retention_curves.complete(self.curve)
        self.general = retention.general_faces(self.curve)
        self.pressure_head = -10.0 ** rng.uniform(-4, 3, shape)
        self.pressure_head[rng.random(shape) < 0.2] *= -1.0
        near = rng.random(shape) < 0.3                          # neighbours nearly alike
        self.pressure_head[near] = -1.0 - 1e-3 * rng.random(shape)[near]
        self.relative_conductivity = retention_curves.effective(self.pressure_head, self.curve)[2]
        self.relative_slope = retention_curves.conductivity_slope(self.pressure_head, self.curve)
        self.osmosis_law, self.slope = 0.0, 0.3
        self.full_conductance = 10.0 ** rng.uniform(-9, 0, (3, *shape)) * (
            rng.random((3, *shape)) >= 0.2)
        self.full_osmosis = rng.normal(size=(3, *shape))
        for name in ("relative_osmosis", "steepest", "elastic", "specific_storage",
                     "water_at_start", "head_at_start"):
            setattr(self, name, rng.random(shape))
        self.content = retention_curves.water_content(self.pressure_head, self.curve)
        self.capacity = retention_curves.effective(self.pressure_head, self.curve)[1]
        self.change = rng.normal(size=shape) * abs(self.pressure_head) * 10.0 ** rng.uniform(
            -2, 2, shape)
        self.drained = -rng.random(shape)

    def poison(self):
        """NaN into every ghost that no stencil may read: the frame's edges and corners."""
        beside = sum(a.astype(int) for a in np.meshgrid(*(
            (np.arange(n) < GHOST) | (np.arange(n) >= n - GHOST) for n in self.grid.padded),
            indexing="ij"))
        for field in vars(self).values():
            if isinstance(field, np.ndarray) and field.dtype == float and (
                    field.shape[-3:] == self.grid.padded):
                field[..., beside > 1] = np.nan

    def of(self, p):
        """Value of an input by its name; positive numbers of the declared size for other names."""
        if not hasattr(self, p.name):
            size = [int(COUNTS.get(n, n)) for n in p.each + p.table]
            padded = self.grid.padded if p.array and not p.table else ()
            setattr(self, p.name, self.rng.uniform(0.1, 1.0, (*size, *padded)))
            self.poison()
        value = getattr(self, p.name)
        one = p.array and not p.table and not p.each and np.ndim(value) == 4
        return value[0] if one else value       # of the values for each axis, if one is asked for

    def of_face(self, field, axis):
        """Sum of a field's magnitudes on both sides of every face."""
        return below(abs(field), axis) + above(abs(field), axis)

    def flux_terms(self, axis):
        """Sum of the absolute terms of every species' flux; (species, faces)."""
        both, z, d = self.of_face(self.c, axis), *(
            v[:, None, None, None] for v in (self.z, self.diffusion))
        conductance = transport.geometric_conductance(self.transport_factor[0], self.grid, axis)
        drift = abs(z) * F_RT * self.of_face(self.phi, axis)
        flow = abs(faces(self.water[axis], axis))
        spread = transport.dispersion(self.dispersivity, self.water, self.grid, axis)
        return both * (d * conductance * (1 + drift) + flow + spread)


def flux_scale(w):
    """Of every component's flux, and of what voxels gain by it."""
    flux = np.zeros((3, COUNTS["NK"], *w.grid.padded))
    gain = np.zeros_like(flux[0])
    for axis in range(3):
        terms = np.tensordot(abs(w.nu).T, w.flux_terms(axis), 1)
        faces(flux[axis], axis)[...] = terms
        gain[w.grid.inner] += sum(ends(terms, axis))
    return flux, gain


def conductance_scale(w):
    """Of the conductance, and of the diffusion current."""
    out = np.zeros((2, 3, *w.grid.padded))
    for axis in range(3):
        geometric = FARADAY * transport.geometric_conductance(w.transport_factor[0], w.grid, axis)
        both = w.of_face(w.c, axis)
        faces(out[0, axis], axis)[...] = F_RT * geometric * np.tensordot(
            w.z**2 * w.diffusion, both, 1)
        faces(out[1, axis], axis)[...] = geometric * np.tensordot(
            abs(w.z) * w.diffusion, both, 1)
    return out


def leaving_scale(w):
    """Of the four parts: sums over six faces."""
    out = np.zeros((4, *w.grid.padded))
    for axis in range(3):
        geometric = transport.geometric_conductance(w.transport_factor[0], w.grid, axis)
        drift = 2 * F_RT * geometric * w.of_face(w.phi, axis)
        water = 2 * abs(faces(w.water[axis], axis)) + transport.dispersion(
            w.dispersivity, w.water, w.grid, axis)
        for part, field in zip(out, (geometric, water, drift, drift), strict=True):
            part[w.grid.inner] += sum(ends(field, axis))
    return out


def emptying_scale(w):
    """Of the rate: its terms are all positive."""
    return [np.divide(w.diffusive + w.advective + w.cation_drift + w.anion_drift, w.pore_volume,
                      out=np.zeros_like(w.pore_volume), where=w.pore_volume > 0)]


def source_scale(w):
    """Of the source of a voxel: what is there and what its six faces let through."""
    terms = abs(w.factor * w.amount) + abs(w.given)
    for axis in range(3):
        terms[w.grid.inner] += sum(ends(faces(abs(w.flow[axis]), axis), axis))
    return [terms]


def of_the_reference(twin):
    """A scale where all terms have one sign: the result itself."""
    return lambda w: [np.nan_to_num(wanted) for wanted, _ in compared(twin, twin, w)]


def water_scale(w):
    """Of the flow that a head drives, beside what flows already; of that by electro-osmosis."""
    moved, by_voltage = abs(w.water), np.zeros_like(w.water)
    thrust = np.divide(w.electroosmosis, w.hydraulic_conductivity, out=np.zeros_like(w.sigma),
                       where=w.hydraulic_conductivity > 0)
    for axis in range(3):
        conductance = faces(w.conductance[axis], axis)
        faces(moved[axis], axis)[...] += conductance * w.of_face(w.head, axis)
        faces(by_voltage[axis], axis)[...] = conductance * w.of_face(thrust, axis) * w.of_face(
            w.phi, axis)
    return moved, by_voltage


def exponents_scale(twin, roundings):
    """Of results of powers x^y, whose relative error is |y ln x| roundings."""
    return lambda w: [roundings * abs(np.nan_to_num(wanted)) for wanted, _ in compared(
        twin, twin, w)]


def osmosis_scale(w):
    """Of the flow through faces: both voxels' shares."""
    out = np.zeros_like(w.water)
    for axis in range(3):
        faces(out[axis], axis)[...] = faces(abs(w.full_osmosis[axis]), axis) * w.of_face(
            w.relative_osmosis, axis)
    return [out]


def stored_scale(w):
    """Of the coupling, of K_r or its bound, and of the water that is missing."""
    head = w.specific_storage * (abs(w.head) + w.head_at_start)
    terms = (w.content + w.elastic + head + w.water_at_start) * w.grid.voxel_volume / w.dt
    stores = (w.capacity + w.steepest + w.specific_storage) * w.grid.voxel_volume / w.dt
    return [stores, np.maximum(w.relative_conductivity, stores), terms * 9]


def heads_scale(w):
    """Of pressure heads by powers of S_e, of contents whose rounding is worth theta/C of head."""
    wanted = np.nan_to_num(compared(head_update.update_heads, head_update.update_heads, w)[0][0])
    slope = (w.curve[4] - w.curve[3]) * retention_curves.effective(wanted, w.curve)[1]
    steep = np.divide(w.curve[4], slope, out=np.zeros_like(slope), where=slope > 1e-290)
    return [30 * abs(wanted) + steep]


def passing_scale(w):
    """Of the drive, and of the components that pass; both signs of the charge could be meant."""
    terms = np.tensordot(abs(w.component_charge), abs(w.still_gained), 1)
    either = [np.tensordot(w.z**2 * w.diffusion, np.where(sign * w.z[:, None, None, None] > 0,
                                                          w.still_c, w.c), 1) for sign in (1, -1)]
    least = np.minimum(*either)
    drive = np.divide(terms, least, out=np.zeros_like(terms), where=least > 0)
    leaving = np.maximum(w.c, w.still_c)
    return [drive, drive * np.tensordot(abs(w.nu).T, abs(w.z * w.diffusion)[
        :, None, None, None] * leaving, 1)]


def clay_scale(w):
    """Of what voxels gain along the clay: both sides' cations, and both potentials of a face."""
    moving = np.tensordot(w.exchange_nu.T, (w.exchange_z * w.exchange_diffusion)[
        :, None, None, None] * w.exchanged, 1)
    out = np.zeros((COUNTS["NK"], *w.grid.padded))
    for axis in range(3):
        geometric = transport.geometric_conductance(w.clay_factor[0], w.grid, axis)
        terms = F_RT * geometric * w.of_face(w.phi, axis) * w.of_face(moving, axis)
        out[w.grid.inner] += sum(ends(terms, axis))
    return [out]


FACES, VOXELS = "faces", "voxels"      # where an output has entries
# Scales of the operators whose terms have both signs; the others' is `of_the_reference`.
SCALES = {
    potential.face_conductance: conductance_scale,
    potential.flag_drift_changes: lambda w: [np.zeros((3, *w.grid.padded))],
    transport.component_flux: flux_scale,
    transport.component_gain: lambda w: flux_scale(w)[1:],
    transport.outflow_coefficients: leaving_scale,
    transport.outflow_rate: emptying_scale,
    immobile_transport.passing_ions: passing_scale,
    surface_conduction.clay_gain: clay_scale,
    divergence.source_minus_divergence: source_scale,
    divergence.accumulate: lambda w: [abs(w.total) + abs(w.share * w.gained)],
    flow.osmosis: lambda w: water_scale(w)[1:],
    flow.darcy: lambda w: water_scale(w)[:1],
    retention.wet_voxels: exponents_scale(retention.wet_voxels, 30),
    retention.wet_faces: exponents_scale(retention.wet_faces, 300),
    retention.wet_osmosis: osmosis_scale,
    retention.stored_water: stored_scale,
    head_update.update_heads: heads_scale,
}
# needs_solve, update_dependents and means_between work on lists of voxels or faces: see
# tests/physics/test_reactions.py and test_retention.py; cross terms of dispersion read edges of
# the frame: test_dispersion_tensor.py; boundary faces are lists, too: test_half_voxel.py and
# test_contact_currents.py, test_contact_sums.py and test_contact_transport.py.
LISTS = {f"physics/{name}.cu" for name in ("reactions", "dispersion_tensor", "half_voxel",
                                           "contact_currents", "contact_sums",
                                           "contact_transport")}
TWINS = {twin: SCALES.get(twin, of_the_reference(twin)) for twin in operators("physics").values()
         if twin.source not in LISTS and twin is not retention.means_between}


def adds_to(twin, p):
    """True for an output that the kernel adds to before it writes it: `out[here] += ...`."""
    text = kernel_signature.without_comments(kernel_text(twin.source))
    body = re.search(rf"KERNEL\s+{twin.__name__}\s*\(.*?(?=\bKERNEL\b|\Z)", text, re.S)[0]
    first = re.search(rf"\b{p.name}\[[^;=]*?\]\s*([+-]?=)(?!=)", body)
    return first is not None and first[1] != "="


def compared(twin, bound, w):
    """[(what the reference, what the bound kernel made of poison)] of all outputs in order."""
    parameters = kernel_signature.signature(kernel_text(twin.source), twin.__name__)
    inputs = [w.of(p) for p in parameters[1:] if not p.output]
    made = []
    for body in (twin, bound):
        outputs = [poison(w, p, adds_to(twin, p)) for p in parameters if p.output]
        with np.errstate(over="ignore", under="ignore"):
            body(w.grid, *inputs, *outputs)
        made.append(outputs)
    return list(zip(*made, strict=True))


def poison(w, p, added):
    """An output as it starts: NaN, or 99 where that is none; `added` to: the world's values."""
    kind = kernel_signature.KINDS[p.kind]
    out = np.full((*(int(COUNTS.get(n, n)) for n in p.each), *w.grid.padded),
                  np.nan if kind == np.dtype(float) else 99, kind)
    if added:
        mask = entries(w.grid, where(p), out.shape)
        out[mask] = w.of(p)[mask]
    return out


def where(p):
    """FACES for an output of three arrays per voxel, by axis, else VOXELS."""
    return FACES if p.each[:1] == ("3",) else VOXELS


def places(twin):
    """Places in which the outputs of an operator have entries, in order."""
    return [where(p) for p in kernel_signature.signature(kernel_text(twin.source), twin.__name__)
            if p.output]


def entries(grid, where, shape):
    """Mask of the entries of an output that are to be written; faces: (3, ..., padded)."""
    mask = np.zeros(shape, bool)
    if where == VOXELS:
        mask[grid.inner] = True
    else:
        for axis in range(3):
            faces(mask[axis], axis)[...] = True
    return mask
