"""Nernst-Planck transport of every aqueous species, explicit and conservative.

    J_s = -m D_s ( grad c_s + z_s (F/RT) c_s grad phi ) + q c_s - alpha_L |q| grad c_s
    d T_k/dt = -div sum_s nu_sk J_s + sources            m = theta tau f(I)   [mol/m3/s]

Species move, component totals are stored. Electrodes pass only acid (anode, H+) and base
(cathode, OH- made in the tank); between ore and tank every species moves like on any face.
"""

from typing import Any

import numpy as np

from ekm3d.backends.base import Backend, operator
from ekm3d.backends.fixed_order_sum import WeightedSum
from ekm3d.backends.scratch import OUTFLOW, Scratch
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.wells import Wells
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.constants import F_RT
from ekm3d.grid.grid import Array, Grid
from ekm3d.grid.stencil import above, below, ends, faces, gain
from ekm3d.parallel.domain import Domain, Subregion
from ekm3d.physics.charge_damping import ANY, Stirring, spreading, stirring
from ekm3d.physics.contact_currents import BoundaryState
from ekm3d.physics.contact_transport import ContactTransport
from ekm3d.physics.dispersion_tensor import DispersionTensor
from ekm3d.physics.divergence import accumulate
from ekm3d.physics.face_interpolation import (
    advected,
    by_axis,
    geometric_conductance,
    migrating,
    of_axis,
    open_faces,
    per_flow,
    share_of_mean,
    upstream_differences,
)
from ekm3d.physics.fastest_species import fastest_species
from ekm3d.physics.flow import Flow
from ekm3d.physics.immobile_transport import ImmobileTransport
from ekm3d.physics.numerical_options import NumericalOptions
from ekm3d.physics.potential import Potential
from ekm3d.physics.rock import Rock
from ekm3d.physics.well_transport import through_wells
from ekm3d.state import State


@operator
def component_flux(g, c, transport_factor, phi, previous_phi, pore_turnover, use_smaller_side,
                   water, dispersivity, z, diffusion, nu, blend, kept, flux, gained):
    """Compute the flux of every component across every face, up the axis, and the gain of voxels.

    c: (species, padded) mol/m3 of water; transport_factor: (1 or 3, padded), see `of_axis`; phi
    [V], previous_phi [V], pore_turnover dt / (theta V) [s/m3], dispersivity [m]: padded;
    use_smaller_side: (3, padded) uint8; water: (3, padded) m3/s; z, diffusion [m2/s]: (species,);
    nu: (species, components); blend: 1, or 0 for first-order upwind; kept: see `share_of_mean`.
    Outputs [mol/s] flux: (3, components, padded); gained: (components, padded).
    """
    scale = diffusion[:, None, None, None]
    charge = (z * F_RT)[:, None, None, None]
    for axis in range(3):
        factor = of_axis(transport_factor, axis)
        geometric = geometric_conductance(factor, g, axis)
        differences = upstream_differences(c, open_faces(factor, axis), axis)
        own = differences[0]
        previous_drop = below(previous_phi, axis) - above(previous_phi, axis)
        drop = below(phi, axis) - above(phi, axis)
        passing = per_flow(pore_turnover, axis)
        star = migrating(c, z, scale * (geometric * passing), previous_drop,
                         faces(use_smaller_side[axis], axis) > 0, blend, differences, axis)
        flow = faces(water[axis], axis)
        spread = dispersion(dispersivity, water, g, axis)
        moved = scale * geometric * (charge * drop * star - own) - spread * own
        if flow.any():
            mean = share_of_mean(dispersivity, kept, g, axis)
            moved += flow * advected(c, flow, np.abs(flow) * passing, diffusion.max() * geometric
                                     + spread, mean, blend, differences, axis)
        faces(flux[axis], axis)[...] = WeightedSum(nu.T)(moved)
    gained[g.inner] = sum(gain(faces(flux[axis], axis), axis) for axis in range(3))


@operator
def component_gain(g, c, transport_factor, phi, previous_phi, pore_turnover, use_smaller_side,
                   water, dispersivity, z, diffusion, nu, blend, kept, gained):
    """Compute the gain of every voxel as component_flux does, without keeping the fluxes."""
    flux = np.empty((3, nu.shape[1], *g.padded))
    component_flux(g, c, transport_factor, phi, previous_phi, pore_turnover, use_smaller_side,
                   water, dispersivity, z, diffusion, nu, blend, kept, flux, gained)


def dispersion(dispersivity: Array, water: Array, g: Grid, axis: int) -> Array:
    """Return the mechanical dispersion of the faces of `axis`, alpha_L |Q| / h  [m3/s]."""
    alpha = 0.5 * (below(dispersivity, axis) + above(dispersivity, axis))
    return alpha * np.abs(faces(water[axis], axis)) / g.spacing_along(axis)


@operator
def outflow_coefficients(g, transport_factor, phi, water, dispersivity, diffusive, advective,
                         cation_drift, anion_drift):
    """Compute outflow through the faces of a voxel per concentration, by process.

    diffusive: sum of G [m], per D; advective: twice the water that leaves, and dispersion [m3/s];
    cation_drift, anion_drift: twice the drift of either [m], per D |z|. All padded, inner voxels
    are written. Twice: the bound of a limited face, see `face_interpolation`.
    """
    for out in (diffusive, advective, cation_drift, anion_drift):
        out[g.inner] = 0.0
    for axis in range(3):
        geometric = geometric_conductance(of_axis(transport_factor, axis), g, axis)
        drift = geometric * F_RT * (below(phi, axis) - above(phi, axis))
        spread = dispersion(dispersivity, water, g, axis)
        for sign, conductance, moved, flow, mixed in zip((-1, 1), *(
                ends(f, axis) for f in (geometric, drift, faces(water[axis], axis), spread)),
                strict=True):
            diffusive[g.inner] += conductance
            advective[g.inner] += 2 * np.maximum(sign * flow, 0.0) + mixed
            cation_drift[g.inner] += 2 * np.maximum(sign * moved, 0.0)
            anion_drift[g.inner] += 2 * np.maximum(-sign * moved, 0.0)


@operator
def outflow_rate(g, diffusive, advective, cation_drift, anion_drift, pore_volume, fastest, rate):
    """Compute the rate at which the fastest species could empty every voxel  [1/s].

    Inputs as from `outflow_coefficients`; pore_volume: padded theta V [m3]; fastest: (pairs, 3) D,
    and D |z| for cations and for anions. Output rate: padded, inner voxels are written.
    """
    rate[g.inner] = 0.0
    open_pores = pore_volume[g.inner] > 0
    for d, cation, anion in fastest:
        out = (d * diffusive + cation * cation_drift + anion * anion_drift + advective)[g.inner]
        np.maximum(rate[g.inner], np.divide(out, pore_volume[g.inner], out=np.zeros_like(out),
                                            where=open_pores), out=rate[g.inner])


class Transport:
    """Rates of all components from one solution of potential and flow, and the stable step.

    flux: (3, components, padded) across faces after keep_flux(), else None; ore: (components,
    padded) into every voxel; tank: (components, strips) into every tank; side: (sides, components)
    into the block, side_in: of the faces where a component enters only; wells_in: (wells,
    components) into the ore, openings: the same of every opening of each well; acid: (strips,) H+
    made (> 0) or OH- (< 0); acid_into_ore: (boundary faces,) acidity that electrode, tank or side
    gives the ore; entered: (watched boxes,) acid through the walls of every watched box, summed
    over the faces of its voxels: all mol/s.
    """

    def __init__(self, grid: Grid, backend: Backend, domain: Domain, chem: ChemicalSystem,
                 rock: Rock, contacts: BoundaryFaces, wells: Wells, options: NumericalOptions,
                 scratch: Scratch | None = None, still: ImmobileTransport | None = None,
                 tensor: DispersionTensor | None = None):
        """contacts: with the steady fluxes through sides; still: of species in immobile water;
        tensor: dispersion across the flow; ghosts of rock must be up to date."""
        self.grid, self.domain, self.chem, self.rock = grid, domain, chem, rock
        self.backend, self.flux = backend, None
        self.contacts, self.wells, self.options = contacts, wells, options
        self.strips, self.tank_volume = contacts.electrodes.strips, contacts.electrodes.volume
        k = len(chem.components)
        self.ore = backend.zeros((k, *grid.padded))
        self.tank, self.side = np.zeros((k, self.strips)), np.zeros((len(contacts.sides), k))
        self.side_in = np.zeros_like(self.side)
        self.acid_into_ore = backend.zeros(contacts.faces.strip.size)
        self.wells_in, self.acid = np.zeros((len(wells), k)), np.zeros(self.strips)
        self.openings: list[Array] = []
        self.z, self.nu = (np.ascontiguousarray(a, dtype=float) for a in (chem.z, chem.nu))
        self.fastest, self.along = fastest_species(chem), rock.along.get("tortuosity")
        counts: dict[str, Any] = {"NS": len(chem.z), "NK": k, "NF": len(self.fastest),
                                  "NT": 1 if self.along is None else 3}
        self.component_flux, self.component_gain, self.outflow_coefficients, self.outflow_rate = (
            backend.bind(op, **counts)
            for op in (component_flux, component_gain, outflow_coefficients, outflow_rate))
        self.accumulate = backend.bind(accumulate, NK=k)
        self.watched: list[Subregion] = []
        self.entered, self.entering = np.zeros(0), list[Array]()    # its sums, on the backend
        *self.outflow, self.rate = (scratch or Scratch(grid, backend))[OUTFLOW]
        self.still, self.still_rate = still, 0.0    # 1/s, of the quickest voxel; on clay alike
        self.clay_rate, self.still_contact = 0.0, backend.zeros(contacts.faces.strip.size)
        self.through_faces = ContactTransport(backend, contacts, chem, options.inverse_temperature)
        self.off_clay: list = [None, None]    # of either water, to tanks and reservoirs [mol/s]
        self.tank_rate = np.zeros((len(self.fastest), self.strips))    # 1/s, as rate
        self.pore_volume = backend.zeros(grid.padded)
        self.update_rock()
        self.water_alone, self.stirring = np.zeros_like(self.fastest), Stirring(0.0, 0.0)
        self.tensor, self.kept = tensor, tensor.least_share() if tensor else 1.0
        self.spreading = ANY if tensor else spreading(grid, domain, rock.dispersivity,
                                                      self.pore_volume)

    def update_rock(self) -> None:
        """Recompute the pore volume from the rock as it is now."""
        np.multiply(self.rock.water_content, self.grid.voxel_volume, out=self.pore_volume)

    def keep_flux(self) -> None:
        """Keep the flux across every face from the next step on."""
        if self.flux is None:
            self.flux = self.backend.zeros((3, *self.ore.shape))

    def watch(self, subregion: Subregion) -> int:
        """Record the acid that enters a Subregion through its walls from the next step on.

        Returns its index in `entered`.
        """
        self.watched.append(subregion)
        self.entered = np.zeros(len(self.watched))
        return len(self.watched) - 1

    @property
    def rates(self) -> list[Array]:
        """All arrays of the rates of a step."""
        kept: list[Array] = [] if self.flux is None else [self.flux]
        if self.still is not None:
            kept.append(self.still.gained)
        return [*kept, self.ore, self.tank, self.side, self.side_in, self.acid, self.acid_into_ore,
                self.wells_in, self.entered, *self.openings]

    def prepare(self, s: State, potential: Potential, flow: Flow) -> float:
        """Compute rates at time t; return the longest step [s] that keeps every species positive.

        Ghosts of c, transport_factor, pore_turnover and phi must be up to date.
        """
        chem, g, boundary = self.chem, self.grid, potential.boundary_state
        self.tank[...] = self.side[...] = self.side_in[...] = self.acid[...] = 0.0
        self.acid_into_ore[...] = self.wells_in[...] = 0.0
        phi = potential.reduced(s.phi)
        given = (g, s.c, by_axis(s.transport_factor, self.along), phi, potential.previous_phi,
                 s.pore_turnover, potential.use_smaller_side, flow.water, self.rock.dispersivity,
                 self.z, chem.diffusion, self.nu, self.options.blend, self.kept)
        still = self.still
        if self.flux is None:
            self.component_gain(*given, self.ore)
        else:
            self.component_flux(*given, self.flux, self.ore)
        if self.tensor is not None:
            self.tensor.add(s, flow, self.ore)
        if still is not None:
            self._move_still(s, still, potential, phi)
        if potential.clay is not None:
            self._move_on_clay(s, potential, phi, boundary, potential.clay)
        if self.watched:
            acid = self.ore[chem.hydrogen][g.inner]
            if still is not None:
                acid = acid + still.gained[chem.hydrogen][g.inner]
            self.entering = [box.merge(acid[box.part]) for box in self.watched]
        waters = potential.boundary.hand_over_waters(s)
        if still is not None:
            self.still_contact = waters[1][0]
        self.through_faces.rate(boundary, waters[0][0])
        self._electrolysis(boundary)
        self._boundary_fluxes(s, boundary, flow, waters)
        self.openings = through_wells(s, chem, self.domain, self.wells, flow, self.ore)
        if still is not None:
            still.let_pass(s)
            self.accumulate(g, still.moved, 1.0, self.ore)
            self.accumulate(g, still.moved, -1.0, still.gained)
        return self._longest_step(s, phi, boundary, flow)

    def advance(self, s: State, dt: float) -> None:
        """Advance the totals of ore and tanks from t to t + dt."""
        self.accumulate(self.grid, self.ore, dt / self.grid.voxel_volume, s.totals)
        if self.still is not None:
            self.accumulate(self.grid, self.still.gained, dt / self.grid.voxel_volume, s.immobile)
        s.catholyte_totals[...] += dt * self.tank

    def _move_still(self, s: State, still: ImmobileTransport, potential: Potential, phi: Array):
        """Migration and diffusion in the immobile water, by the same drift as in the other."""
        factor = by_axis(s.immobile_factor, self.along)
        given = (self.grid, s.immobile_c, factor, phi, potential.previous_phi, s.immobile_turnover,
                 potential.use_smaller_side, still.no_water, still.no_dispersivity, self.z,
                 self.chem.diffusion, self.nu, self.options.blend, self.kept)
        if self.flux is None:
            self.component_gain(*given, still.gained)
        else:
            flux = self.backend.zeros(self.flux.shape)
            self.component_flux(*given, flux, still.gained)
            self.flux += flux

    def _move_on_clay(self, s, potential, phi, boundary, clay):
        """Migration along the clay beside either water, and its own bound of the step."""
        parts = [(s.exchanged, self.ore)] + ([] if self.still is None else [
            (s.immobile_exchanged, self.still.gained)])
        drift = F_RT * self.options.inverse_temperature * boundary.clay_contact * boundary.drop
        self.off_clay, self.clay_rate = clay.carry(
            self.domain, parts, (phi, potential.previous_phi, potential.use_smaller_side),
            self.contacts.faces.voxel, drift, self.rate)

    def _electrolysis(self, boundary: BoundaryState):
        """Current through metal: H+ at anodes, OH- at cathodes, into the ore or the tank."""
        h, roles, made = self.chem.hydrogen, boundary.roles, self.through_faces.made
        if h is None:
            made[...] = 0.0
        elif roles.of_metal.size:
            metal = self.backend.cached(roles.of_metal)
            made = made[metal]
            self.acid_into_ore[metal] = made
            if self.still is not None:      # acid enters each water with the current there
                share = boundary.still_share[metal]
                self.domain.add_at(self.still.gained[h], roles.metal_voxel, made * share)
                made = made * (1.0 - share)
            self.domain.add_at(self.ore[h], roles.metal_voxel, made)

    def _boundary_fluxes(self, s: State, boundary: BoundaryState, flow: Flow, waters: list):
        """Species between ore and tanks or reservoirs, and the given fluxes through sides.

        waters: (contact, c) of each, see `Water`.
        """
        f, through = self.contacts.faces, self.through_faces
        (contact, c), out = waters[0], through.out
        through.leaving(s, boundary, c, contact, self.off_clay[0], flow.out, out)
        through.take_given(out)
        self.domain.add_at(self.ore, f.voxel, -out)
        if self.still is not None:
            contact, c = waters[1]
            leaves = through.leaving(s, boundary, c, contact, self.off_clay[-1])
            self.domain.add_at(self.still.gained, f.voxel, -leaves)
            out += leaves
        if self.chem.hydrogen is not None:
            self.acid_into_ore -= out[self.chem.hydrogen]

    def _book(self, sums: np.ndarray, entering: np.ndarray, boundary: BoundaryState):
        """Book the sums over places (rows, places) of what left the ore by faces, and of H+ made.

        To tanks and sides [mol/s]; entering: of what came in.
        """
        k, h, strips = len(self.ore), self.chem.hydrogen, self.strips
        self.acid[:] = sums[k, :strips]
        if h is not None:
            tanks = boundary.roles.tanks
            self.tank[h, tanks] += self.acid[tanks]
        self.tank += sums[:k, :strips]
        self.side -= sums[:k, strips:].T
        self.side_in += entering[:k, strips:].T

    def _longest_step(self, s: State, phi: Array, boundary: BoundaryState, flow: Flow):
        """cfl x the time in which the fastest species could empty a voxel or a tank [s].

        phi: reduced, see `potential`.
        """
        g, f, through = self.grid, self.contacts.faces, self.through_faces
        _, advective, cation_drift, anion_drift = self.outflow
        rows = [through.reach, through.cations, through.anions]
        if self.still is not None:
            factor = by_axis(s.immobile_factor, self.along)
            self.still.set_outflow(factor, s, phi, self.outflow_coefficients, self.outflow)
            of_still = np.where(self.backend.cached(boundary.roles.passes), self.still_contact, 0.0)
            self._add_contacts(self._reaching(boundary, of_still))
            self.still.add_passing(cation_drift, anion_drift, 1.0)
            self.outflow_rate(g, *self.outflow, self.still.pore_volume, self.fastest, self.rate)
            self.still_rate = self.domain.max(self.rate)
        self.outflow_coefficients(g, by_axis(s.transport_factor, self.along), phi, flow.water,
                                  self.rock.dispersivity, *self.outflow)
        self._add_contacts(rows)
        self.domain.add_at(advective, f.voxel, np.maximum(flow.out, 0.0))
        if self.still is not None:                                          # of a tank: to both
            for row, both in zip(rows, self._reaching(boundary, through.reach + of_still),
                                 strict=True):
                row[...] = both
        for place, inflow in flow.wells:
            if place.inside.size:
                self.domain.add_at(advective, place.voxel_inside, np.maximum(
                    -inflow[self.backend.cached(place.inside)], 0.0))
        if self.tensor is not None:
            self.tensor.add_outflow(advective)
        if self.still is not None:
            self.still.add_passing(cation_drift, anion_drift, -1.0)
        self.outflow_rate(g, *self.outflow, self.pore_volume, self.water_alone, self.rate)
        of_water = self.rate.max(keepdims=True)
        self.outflow_rate(g, *self.outflow, self.pore_volume, self.fastest, self.rate)
        by_wells = [np.stack([moved.sum(1) for moved in self.openings])] if self.openings else []
        self.entered[:], (water_rate, species_rate), sums = self.domain.sums_and_largest(
            self.entering, [of_water, self.rate],
            [*through.sums(len(through.sums.rows)), *by_wells])
        left, came, *by_wells = sums
        self._book(left, came, boundary)
        for moved in by_wells:
            self.wells_in[:len(moved)] = moved
        self.stirring = stirring(water_rate, *self.spreading)
        strips, volume = self.strips, self.tank_volume
        reach, cations, anions = left[len(self.ore) + 1:, :strips]
        emptied = self.fastest @ [reach, anions, cations]
        self.tank_rate = np.divide(emptied, volume, out=np.zeros_like(emptied), where=volume > 0)
        quickest = max(species_rate, self.domain.max(self.tank_rate), self.still_rate,
                       self.clay_rate)
        return self.options.cfl / quickest if quickest > 0 else np.inf

    def _reaching(self, boundary, reach):
        """(reach, cations, anions), as of `contact_rates`, of a reach (n,) [m]."""
        by = F_RT * self.options.inverse_temperature * boundary.drop
        return reach, reach * np.maximum(by, 0.0), reach * np.maximum(-by, 0.0)

    def _add_contacts(self, rows):
        """Add the outflow through contacts: (reach, cations, anions), each (n,) [m]."""
        diffusive, _, cation_drift, anion_drift = self.outflow
        for part, values in zip((diffusive, cation_drift, anion_drift), rows, strict=True):
            self.domain.add_at(part, self.contacts.faces.voxel, values)
