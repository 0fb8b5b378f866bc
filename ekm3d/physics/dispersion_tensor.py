"""Mechanical dispersion as a tensor: along the flow, and across it.

    D = alpha_T |q| I + (alpha_L - alpha_T) q q / |q|                       theta D  [m2/s]
    flux through a face of axis a = -A sum_b D_ab dC/db

(Bear 1972, Dynamics of Fluids in Porous Media.) C are the components dissolved in the moving
water: all its species have one D, so that dispersion of neutral water carries no current. The part
alpha_L |q_a| along the axis is that of `transport`; here is the rest: what D_aa is more than that,
and the cross terms. Their slopes are means of those of both voxels, a closed face counting as no
slope. Cross terms know no maximum principle: what they take out of a voxel is held to the share
that the step limit allows for, with one factor for all components of a face, which is 1 wherever C
changes by less than itself from voxel to voxel.
"""

from typing import Any

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.backends.read_only_memo import read_only
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Array, Grid
from ekm3d.grid.stencil import above, below, ends, faces, gain
from ekm3d.parallel.domain import Domain
from ekm3d.physics.flow import Flow
from ekm3d.physics.rock import Rock
from ekm3d.state import State


@operator
def voxel_flow(g, water, velocity):
    """Compute the Darcy flux of every voxel, the mean of opposite faces  [m/s].

    water: (3, padded) m3/s. Output velocity: (3, padded), inner voxels are written.
    """
    for axis in range(3):
        lower, upper = ends(faces(water[axis], axis), axis)
        velocity[axis][g.inner] = (0.5 / g.face_area(axis)) * (lower + upper)


@operator
def tensor_coefficients(g, velocity, water, transport_factor, dispersivity, transverse, more,
                        cross):
    """Compute D_aa less alpha_L |q_a|, and D_ab, of every face, times A over the step  [m3/s].

    velocity: (3, padded) m/s of voxels; water: (3, padded) m3/s; transport_factor: padded, faces
    between voxels above 0 are open; dispersivity alpha_L, transverse alpha_T: padded m. Outputs
    more: (3, padded); cross: (6, padded), of axis a to b = a + 1 and a + 2 (modulo 3).
    """
    for axis in range(3):
        area = g.face_area(axis)
        opened = (below(transport_factor, axis) > 0) & (above(transport_factor, axis) > 0)
        q = faces(water[axis], axis) / area
        along = 0.5 * (below(dispersivity, axis) + above(dispersivity, axis))
        across = 0.5 * (below(transverse, axis) + above(transverse, axis))
        beside = [(axis + 1) % 3, (axis + 2) % 3]
        t = [0.5 * (below(velocity[b], axis) + above(velocity[b], axis)) for b in beside]
        speed = np.sqrt(q * q + t[0] * t[0] + t[1] * t[1])
        moves = opened & (speed > 0)
        excess = np.divide(along - across, speed, out=np.zeros_like(speed), where=moves)
        faces(more[axis], axis)[...] = np.where(
            moves, area / g.spacing_along(axis) * (across * speed + excess * q * q
                                                   - along * np.abs(q)), 0.0)
        for n, b in enumerate(beside):
            faces(cross[2 * axis + n], axis)[...] = area / g.spacing_along(b) * (
                excess * q * t[n])


def slope(c: Array, opened: Array, axis: int) -> Array:
    """Return half the differences of c to both neighbours along an axis, together; padded.

    opened: padded, True where a voxel lets pass. The outermost layers along the axis are 0.
    """
    out, n = np.zeros_like(c), c.shape[axis - 3]
    lower, here, upper = ((Ellipsis, *(slice(None),) * axis, slice(a, n - 2 + a),
                           *(slice(None),) * (2 - axis)) for a in range(3))
    out[here] = 0.5 * (np.where(opened[upper] & opened[here], c[upper] - c[here], 0.0)
                       + np.where(opened[lower] & opened[here], c[here] - c[lower], 0.0))
    return out


def cross_flux(c: Array, opened: Array, cross: Array, axis: int) -> Array:
    """Return the flux of the cross terms up the axis, before it is held back; (faces)."""
    total: Any = 0.0
    for n in range(2):
        s = slope(c, opened, (axis + 1 + n) % 3)
        total = total - faces(cross[2 * axis + n], axis) * (0.5 * (below(s, axis)
                                                                   + above(s, axis)))
    return total


@operator
def held_back(g, dissolved, transport_factor, cross, may_be_negative, share):
    """Compute the share of the cross fluxes that leaves every component positive  [1].

    dissolved: (components, padded) mol/m3 of water; transport_factor, cross: as of
    `tensor_coefficients`; may_be_negative: (components,), 1 or 0.
    Output share: padded, inner voxels are written.
    """
    opened = transport_factor > 0
    allowed = np.zeros(g.shape)
    for axis in range(3):
        for n in range(2):
            lower, upper = ends(np.abs(faces(cross[2 * axis + n], axis)), axis)
            allowed += lower + upper
    least = np.ones(g.shape)
    for k, c in enumerate(dissolved):
        if may_be_negative[k] > 0:
            continue
        out = np.zeros(g.shape)
        for axis in range(3):
            lower, upper = ends(cross_flux(c, opened, cross, axis), axis)
            out += np.maximum(upper, 0.0) + np.maximum(-lower, 0.0)
        has = allowed * np.maximum(c[g.inner], 0.0)
        np.minimum(least, np.divide(has, out, out=np.ones_like(out), where=out > has), out=least)
    share[g.inner] = least


@operator
def add_dispersion(g, dissolved, transport_factor, more, cross, share, gained):
    """Add what voxels gain by these terms to `gained`, (components, padded)  [mol/s].

    Other arguments as above; share: padded, its ghosts are read.
    """
    opened = transport_factor > 0
    for k, c in enumerate(dissolved):
        for axis in range(3):
            held = np.minimum(below(share, axis), above(share, axis))
            flux = held * cross_flux(c, opened, cross, axis) - faces(more[axis], axis) * (
                above(c, axis) - below(c, axis))
            gained[k][g.inner] += gain(flux, axis)


class DispersionTensor:
    """Dispersion across the flow, and what it changes along the axes."""

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, chem: ChemicalSystem,
                 rock: Rock, contacts: BoundaryFaces, transverse: Array):
        """transverse: padded alpha_T [m]; its ghosts are filled here."""
        self.grid, self.backend, self.domain, self.rock = grid, backend, domain, rock
        self.transverse, self.chem, at = transverse, chem, contacts.faces
        domain.fill(transverse)
        self.beyond = [       # by axis: faces across it, their voxels, the way into the ore
            tuple(map(read_only, (across, at.voxel[across], at.way[across].astype(float))))
            for across in (np.flatnonzero(at.axis == axis) for axis in range(3))]
        k = len(chem.components)
        self.signed = np.zeros(k)
        if chem.hydrogen is not None:
            self.signed[chem.hydrogen] = 1.0
        self.velocity, self.more, self.cross = (
            backend.zeros((n, *grid.padded)) for n in (3, 3, 6))
        self.share = backend.zeros(grid.padded)
        self.voxel_flow, self.tensor_coefficients, self.held_back, self.add_dispersion = (
            backend.bind(op, NK=k)
            for op in (voxel_flow, tensor_coefficients, held_back, add_dispersion))

    def least_share(self) -> float:
        """Return the least D_aa over alpha_L |q_a| of any voxel and any way of the flow  [1].

        D_aa/|q_a| = alpha_T/x + (alpha_L - alpha_T) x, x = |q_a|/|q|: 2 sqrt(alpha_T (alpha_L -
        alpha_T)) at least, alpha_L where alpha_T is more than half of it.
        """
        along = self.rock.dispersivity[self.grid.inner]
        there = along > 0
        ratio = np.minimum(self.transverse[self.grid.inner][there] / along[there], 0.5)
        return min(-self.domain.max(-2.0 * np.sqrt(ratio * (1.0 - ratio))), 1.0)

    def add(self, s: State, flow: Flow, gained: Array) -> None:
        """Add what the moving water of voxels gains, (components, padded) [mol/s].

        Ghosts of s.c and s.transport_factor must be up to date.
        """
        g, factor = self.grid, s.transport_factor
        self.voxel_flow(g, flow.water, self.velocity)
        cached = self.backend.cached
        for axis in range(3):
            across, voxel, way = self.beyond[axis]
            self.domain.add_at(self.velocity[axis], voxel, -(cached(way) * flow.out[
                cached(across)]) * (0.5 / g.face_area(axis)))
        self.domain.fill(self.velocity)
        self.tensor_coefficients(g, self.velocity, flow.water, factor, self.rock.dispersivity,
                                 self.transverse, self.more, self.cross)
        dissolved = self.backend.weighted_sum(self.chem.nu.T, s.c)
        self.held_back(g, dissolved, factor, self.cross, self.signed, self.share)
        self.domain.fill(self.share)
        self.add_dispersion(g, dissolved, factor, self.more, self.cross, self.share, gained)

    def add_outflow(self, advective: Array) -> None:
        """Add to the outflow coefficients of voxels what these terms take at most [m3/s]."""
        for axis in range(3):
            largest = np.maximum(faces(self.more[axis], axis), 0.0)
            for n in range(2):
                largest = largest + np.abs(faces(self.cross[2 * axis + n], axis))
            lower, upper = ends(largest, axis)
            advective[self.grid.inner] += lower + upper
