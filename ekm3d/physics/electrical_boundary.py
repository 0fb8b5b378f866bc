"""Electrical boundary conditions: Robin coupling, fixed potentials, current control.

A face that carries current has I = coupling (level - phi) - offset into the ore [A]. The level of
a group of faces is given, or it is unknown and the group's current is given: then one solve with
the levels at their last values and one unit response per unknown group,

    A u_g = sum of couplings of g,    G_gh = dI_g/dV_h = sum over g of coupling (delta_gh - u_h),

give the levels that carry the required currents exactly, as the system is linear.

A face of floating metal carries a current only where the metal's level is more than half the
overpotential above the ore (H+ is made, s = 1) or below it (OH-, s = -1): its level is then that of
the metal less s times this half, and s = 0 elsewhere. Which faces do is found by iteration; the
conditions are monotone, so that there is one answer.

Between a voxel's centre and its face lies half a voxel of ore, with the diffusion potential of its
water and with what its clay conducts (`half_voxel`).

Beside this: metal that resists along itself (`electrode_lines`), overvoltage by current density
(`overvoltage`), several supplies (`supply_control`), contacts that age (`Electrodes`).
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.backends.scratch import RESPONSE, SOURCES, Scratch
from ekm3d.boundaries.boundary_faces import BoundaryFaces, Roles
from ekm3d.boundaries.schedule import Drive
from ekm3d.constants import F_RT
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import GHOST, Array
from ekm3d.parallel.domain import Domain
from ekm3d.physics.electrode_lines import ElectrodeLines
from ekm3d.physics.half_voxel import HalfVoxels, Water
from ekm3d.physics.overvoltage import Overvoltage
from ekm3d.physics.supply_control import SupplyNetwork
from ekm3d.physics.surface_conduction import TURNED, SurfaceConduction
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.state import State, has_immobile_field, stores

SLACK = 1e-9     # of the voltage that splits water, which counts as rounding
AT_ONCE = 10     # rounds in which all faces of floating metal may switch; then the worst one
MAX_ROUNDS = 100


@dataclass(frozen=True)
class BoundaryState:
    """Electrical state of the n boundary faces, for transport and diagnostics; arrays (n,)."""

    roles: Roles                    # of each face, with its condition
    into_ore: np.ndarray            # current into the ore                                  [A]
    drop: np.ndarray                # phi of the ore voxel minus that of tank or reservoir  [V]
    level: np.ndarray               # potential behind the face: of metal or reservoir      [V]
    previous_drop: np.ndarray       # drop that the face concentrations were chosen by      [V]
    use_smaller_side: np.ndarray    # faces whose concentration is the smaller of both sides
    still_share: np.ndarray         # of the immobile water in the conductance of a face    [1]
    clay_contact: np.ndarray | float = 0.0  # G along the clay where cations leave for a tank [m]


class ElectricalBoundary:
    """Boundary faces during the solution for the potential.

    supplied: potential of the terminal behind every face [V], that of its metal without resistance
    along it; resistance: of the contact now [ohm]; network: supplies, where there are several;
    into_ore, drop, level, previous_drop, use_smaller_side: see BoundaryState. solved: into_ore of
    the last complete solution, where a step takes a mean of two. controlled_level:
    {number of a group: last level found for its current [V]}.
    """

    def __init__(self, scratch: Scratch, domain: Domain, contacts: BoundaryFaces,
                 z: np.ndarray, diffusion: np.ndarray, overpotential: float,
                 inverse_temperature: float = 1.0):
        """scratch: the solver's; z, diffusion [m2/s]: (species,); overpotential [V]: of anode and
        cathode together; inverse_temperature: 298.15 K / T."""
        self.domain, self.contacts, self.overpotential = domain, contacts, overpotential
        self.inverse_temperature, self.f_rt = inverse_temperature, F_RT * inverse_temperature
        self.z, self.diffusion = z, diffusion
        self.scratch = scratch
        _, self.source, self.coupling = scratch[SOURCES]
        n = contacts.faces.strip.size
        self.into_ore, self.drop, self.level, self.previous_drop = (np.zeros(n) for _ in range(4))
        self.use_smaller_side, self.blocked = np.zeros(n, bool), np.zeros(n, bool)
        self.splitting, self.half_split = np.zeros(n), np.zeros(n)     # s, and half voltage [V]
        self.solved, self.roles = np.zeros(n), contacts.last_roles
        self.metal_faces, self.metal_electrode = self._metal_faces(contacts)
        self.metal_phi = np.zeros(self.metal_faces.size)
        self.still_share = np.zeros(n)
        self.waters: list[Water] = []       # of the last start with a state's species
        self.water_contacts: list[np.ndarray] = []
        self.clay: SurfaceConduction | None = None
        self.clay_contact: np.ndarray | float = 0.0
        faces, electrodes = contacts.faces, contacts.electrodes
        self.rest, self.half_voxels = np.zeros(n), HalfVoxels(
            domain, faces, contacts.grid, z, diffusion, inverse_temperature)
        self.supplied, self.resistance = np.zeros(n), faces.resistance
        self.lines = ElectrodeLines(domain, contacts)
        self.overvoltage = Overvoltage(faces.area, electrodes.tafel)
        self.network: SupplyNetwork | None = None
        self.groups: list = []
        self.controlled_level: dict[int, float] = {}
        self.responses: dict[int, Array] = {}

    @staticmethod
    def _metal_faces(contacts):
        """Faces of sides that an electrode covers, which have no area; number of each electrode."""
        covered = np.flatnonzero(contacts.faces.area == 0)
        electrode = np.zeros(covered.size, int)
        at = tuple(np.array(np.unravel_index(
            contacts.faces.voxel[covered], contacts.grid.padded)) - GHOST)
        for n, mask in enumerate(contacts.electrodes.masks):
            electrode[mask[at]] = n
        return covered, electrode

    def electrode_potential(self) -> np.ndarray:
        """Return the potential of every strip, then of every side [V]; 0 for one without faces."""
        level = np.zeros(self.contacts.count)
        level[self.contacts.faces.strip] = self.level
        return level

    def present_potential(self) -> np.ndarray:
        """Return `electrode_potential`; NaN for a strip or side that carries no current now."""
        used = np.zeros(self.contacts.count, bool)
        for group in self.groups:
            used[self.contacts.faces.strip[group.faces]] = True
        return np.where(used, self.electrode_potential(), np.nan)

    def phi_at_faces(self, phi: Array) -> np.ndarray:
        """Return phi [V] of the voxel at every face; in metal that of the last complete solution.

        phi: padded. Faces in metal pass nothing, but their drop takes part in `drift_changes`.
        """
        at_face = self.domain.gather(phi, self.contacts.faces.voxel)
        at_face[self.metal_faces] = self.metal_phi
        return at_face

    def finish(self) -> None:
        """Take the potential of the metal over from a complete solution."""
        self.metal_phi = self.electrode_potential()[self.metal_electrode]
        self.solved = self.into_ore.copy()

    @property
    def state(self) -> BoundaryState:
        """State of all faces now; its arrays are those of this object."""
        return BoundaryState(self.roles, self.into_ore, self.drop, self.level, self.previous_drop,
                             self.use_smaller_side, self.still_share, self.clay_contact)

    def start(self, drive: Drive, s: State | None = None,
              conductivity: Array | None = None) -> None:
        """Apply a drive; no face is blocked or marked yet.

        s: state that the current depends on; conductivity: padded [S/m] where it is given
        instead of the species. Without a state no current can be computed afterwards.
        """
        self.roles = self.contacts.roles(drive)
        self.groups = self.contacts.groups(drive, self.overpotential)
        self.network = SupplyNetwork(drive.supplies, drive.terminals, self.overpotential,
                                     drive.duty) if drive.on and drive.supplies else None
        self.overvoltage.start(self.roles.kinds, self.into_ore, drive.duty)
        self.half_split[:] = 0.0
        for group in self.groups:
            self.half_split[group.faces] = 0.5 * group.splits_at
        self.splitting[self.half_split == 0.0] = 0.0
        self.use_smaller_side[:] = self.blocked[:] = False
        self.waters = []
        np.copyto(self.previous_drop, self.drop)
        if s is not None:
            f, gather, along = self.contacts.faces, self.domain.gather, self.half_voxels.along
            if (electrodes := self.contacts.electrodes).ageing.any():
                self.resistance = f.resistance.copy()
                self.resistance[:electrodes.faces.strip.size] *= electrodes.contact_growth(
                    s.electrode_charge, s.time)
            if conductivity is not None:
                self.geometric = f.area * gather(conductivity, f.voxel) / f.half * along
            else:
                self.reservoir = s.reservoir_species
                self._take_waters(s)
            if self.clay is not None:
                self.on_clay = f.area * gather(self.clay.mobility, f.voxel) / f.half * along
                self.carriers = [gather(exchanged, f.voxel) for exchanged in stores(
                    s, "exchanged", "immobile_exchanged")[:max(len(self.waters), 1)]]

    def _take_waters(self, s):
        """Gather the waters of the ore at all faces: the moving one, and that with a field."""
        metal = bool(self.roles.of_metal.size)
        self.waters = [self.half_voxels.water(s.c, s.transport_factor, metal)]
        if has_immobile_field(s):
            self.waters.append(self.half_voxels.water(s.immobile_c, s.immobile_factor, metal))

    def hand_over_waters(self, s: State) -> list[tuple[np.ndarray, Array]]:
        """Return (contact on the host, ore), see `Water`, of the waters of the last start, to
        transport from the same state; taken now where there are none."""
        if not self.waters:
            self._take_waters(s)
            self.water_contacts = [self.domain.backend.to_numpy(w.contact) for w in self.waters]
        waters, self.waters = self.waters, []
        return [(contact, water.ore)
                for contact, water in zip(self.water_contacts, waters, strict=True)]

    def connect(self, by_species: bool) -> None:
        """Compute conductance [S] and diffusion current [A] of every face.

        by_species: from the species on both sides; else from a given conductivity.
        """
        if by_species:
            found = [self.half_voxels.conduct(water, self.roles, self.reservoir, self.previous_drop,
                                              self.use_smaller_side) for water in self.waters]
            self.water_contacts = [contact for *_, contact in found]
            self.conductance, self.offset, _ = found[0]
            clay = self._of_clay() if self.clay is not None else []
            if clay:
                self.conductance = self.conductance + clay[0]
            if len(self.waters) > 1:
                conductance, offset, _ = found[1]
                conductance = conductance + clay[1] if clay else conductance
                self.conductance, self.offset = self.conductance + conductance, self.offset + offset
                self.still_share = np.divide(conductance, self.conductance,
                                             out=np.zeros_like(conductance),
                                             where=self.conductance > 0)
        else:
            self.conductance, self.offset = self.geometric, np.zeros(self.geometric.size)
        self.rest = np.divide(-self.offset, self.conductance, out=np.zeros_like(self.offset),
                              where=self.conductance > 0)

    def _of_clay(self):
        """Conductance [S] of every face along the clay of either water.

        Cations come out of the ore's clay and never out of a tank's or a reservoir's water.
        """
        gives = ~self.roles.passes | (self.previous_drop > 0) & ~self.use_smaller_side
        contact = np.where(gives, self.on_clay, 0.0)
        self.clay_contact = np.where(self.roles.passes, contact, 0.0)
        return [self.inverse_temperature * contact * (self.clay.weights[:, None] * held).sum(0)
                for held in self.carriers]

    def solve(self, elliptic: EllipticSolver, conductance: Array, f: Array, phi: Array,
              trend: Array | None = None) -> int:
        """Solve for phi [padded, in place] with every group at its level or current.

        conductance: (3, padded) of faces [S]; f: padded source [A]; trend: padded, in place,
        change of phi in the last call with it (see `elliptic`). Returns iterations of the solver.
        """
        limited: set[int] = set()
        for attempt in range(MAX_ROUNDS):
            iterations = self._solve(elliptic, conductance, f, phi, limited, trend)
            trend = None
            if self._switch_floating(phi, attempt) or self.overvoltage.update(self.into_ore):
                continue
            over = [n for n, g in enumerate(self.groups) if g.limit is not None
                    and n not in limited and self.controlled_level[n] > g.limit]
            if not over:
                return iterations
            for n in over:
                self.controlled_level[n] = self.groups[n].limit
                limited.add(n)
        raise ConvergenceError(f"potential: after {MAX_ROUNDS} rounds it is not clear where "
                               "floating rows split water")

    def _switch_floating(self, phi, attempt):
        """Update where floating metal splits water by the potential found; True if that changed."""
        changed = False
        for n, group in enumerate(self.groups):
            if not group.splits_at or not group.faces.size:
                continue
            faces, half = group.faces, 0.5 * group.splits_at
            at_face, sign = (self.phi_at_faces(phi) - self.rest)[faces], self.splitting[faces]
            if not sign.any():                  # no current: the level of metal lies in between
                self.controlled_level[n] = 0.5 * (at_face.min() + at_face.max())
                self.level[faces] = self.controlled_level[n]
            above = self.controlled_level[n] - at_face
            excess = np.abs(above) - half
            new = np.where(excess > SLACK * half, np.sign(above), 0.0)
            new = np.where((np.abs(excess) <= SLACK * half) & (np.sign(above) == sign), sign, new)
            differs = np.flatnonzero(new != sign)
            if attempt >= AT_ONCE and differs.size:
                differs = differs[[np.abs(excess[differs]).argmax()]]
            self.splitting[faces[differs]] = new[differs]
            changed |= bool(differs.size)
        return changed

    def _solve(self, elliptic, conductance, f, phi, limited, trend):
        """One solution; groups in `limited` stay at their limit."""
        coupling, source = np.zeros(self.level.size), np.zeros(self.level.size)
        driven = np.zeros(self.level.size, bool)
        controlled = []
        for n, group in enumerate(self.groups):
            free = group.current is not None
            if free:
                self.controlled_level.setdefault(n, 0.0)
            active = group.faces[~self.blocked[group.faces]]
            if group.splits_at:
                active = active[self.splitting[active] != 0.0]
            self.level[group.faces] = self.controlled_level[n] if free else group.level
            driven[active] = True
            if free and n not in limited and active.size:
                controlled.append((n, active))
        self.supplied[:] = self.level
        series = self.resistance + self.overvoltage.slope
        share = 1.0 / (1.0 + self.conductance * series)
        coupling[driven] = (self.conductance * share)[driven]
        shift = self.splitting * self.half_split
        if self.overvoltage.active:
            shift = shift + self.overvoltage.shift
        offset = self.offset * share
        link = self.lines.connect(self.roles.kinds, driven, coupling, shift, offset, self.level)
        source[driven] = (coupling * (self.level - shift) - offset)[driven]
        voxel = self.contacts.faces.voxel
        self.coupling[...] = 0.0
        np.copyto(self.source, f)
        self.domain.add_at(self.coupling, voxel, coupling)
        self.domain.add_at(self.source, voxel, source)
        elliptic.solve(conductance, self.coupling, self.source, phi, trend=trend, link=link)
        iterations = elliptic.iterations
        if controlled:
            iterations += self._control(elliptic, conductance, coupling, source, phi, controlled,
                                        link)
        at_face = self.phi_at_faces(phi)
        if link is not None:
            self.level += self.lines.responses(at_face)
        self.into_ore = np.where(driven, coupling * (self.level - shift - at_face) - offset, 0.0)
        self.drop = np.where(driven, at_face - (self.level - shift) + self.into_ore * series,
                             self.rest)
        return iterations

    def _control(self, elliptic, conductance, coupling, source, phi, controlled, link):
        """Correct the levels of controlled groups, and phi with them, to the required currents.

        controlled: (number of the group, its active faces). Returns iterations of the solver.
        """
        voxel, iterations, m = self.contacts.faces.voxel, 0, len(controlled)
        units = self.lines.units(self.level.size)
        currents, gains, responses = np.zeros(m), np.zeros((m, m)), []
        for n, active in controlled:
            u = self.responses.setdefault(n, np.zeros_like(phi))
            response_source, = self.scratch[RESPONSE]
            response_source[...] = 0.0
            self.domain.add_at(response_source, voxel[active], (coupling * units)[active])
            elliptic.solve(conductance, self.coupling, response_source, u, "unit response",
                           reuse=True, link=link)
            iterations += elliptic.iterations
            responses.append(u)
        for a, (_, active) in enumerate(controlled):
            currents[a] = (source[active] - coupling[active]
                           * self._below_level(phi, active, link)).sum()
            for b, u in enumerate(responses):
                gains[a, b] = (coupling[active] * ((a == b) * units[active] - self._below_level(
                    u, active, link))).sum()
        wanted = np.array([self.groups[n].current for n, _ in controlled])
        change = self._changes(controlled, currents, gains, wanted)
        for (n, _), u, dv in zip(controlled, responses, change, strict=True):
            phi += dv * u
            self.controlled_level[n] += dv
            faces = self.groups[n].faces
            self.level[faces] += dv * units[faces]
            self.supplied[faces] += dv
        return iterations

    def _below_level(self, phi, active, link):
        """Return phi at faces less what it adds to the level of their metal [V]."""
        if link is None:
            return self.domain.gather(phi, self.contacts.faces.voxel[active])
        at_face = self.domain.gather(phi, self.contacts.faces.voxel)
        return (at_face - self.lines.responses(at_face))[active]

    def _changes(self, controlled, currents, gains, wanted):
        """Change of level of every controlled group."""
        if self.network is None:
            return np.linalg.lstsq(gains, wanted - currents, rcond=1e-12)[0]
        ground = next(g for g in self.groups if g.terminal == 0)
        return self.network.solve(
            currents, gains, np.array([self.controlled_level[n] for n, _ in controlled]),
            [self.groups[n].terminal for n, _ in controlled], wanted,
            bool((~self.blocked[ground.faces]).any()))

    def block_reverse_currents(self) -> bool:
        """Block faces of driven metal whose current would run backwards; True if any is new."""
        new = (self.into_ore * self.roles.sign < 0) & ~self.blocked
        self.blocked |= new
        return bool(new.any())

    def drift_changes(self, sure: float) -> np.ndarray:
        """Return the mask of faces whose drift turned or grew since c* was chosen.

        Of those that species cross; sure: |z u| below which a turn does not matter.
        """
        z = self.f_rt * np.abs(self.z).max(initial=0)
        now, old = z * np.abs(self.drop), z * np.abs(self.previous_drop)
        bad = (self.drop * self.previous_drop <= 0) & (now > sure) | (
            now > 2.0 * np.maximum(old, 1.0))
        if self.clay is not None:       # no diffusion helps cations who leave by a drift that turns
            bad |= (self.drop * self.previous_drop <= 0) & (self.f_rt * np.abs(self.drop) > TURNED)
        return bad & self.roles.passes & ~self.use_smaller_side
