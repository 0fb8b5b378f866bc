"""Electrical boundary conditions: Robin coupling, fixed potentials, current control.

A face that carries current has I = coupling (level - phi) - offset into the ore [A]. The level of
a group of faces is given, or it is unknown and the group's current is given: then one solve with
the levels at their last values and one unit response per unknown group,

    A u_g = sum of couplings of g,    G_gh = dI_g/dV_h = sum over g of coupling (delta_gh - u_h),

give the levels that carry the required currents exactly, as the system is linear.

Between a voxel's centre and its face lies half a voxel of ore, with the diffusion potential of its
water and with what its clay conducts (`half_voxel`).

Beside this: floating metal, whose level is that of the metal less s times half the voltage that
splits water (`floating_metal`); metal that resists along itself (`electrode_lines`), overvoltage by
current density (`overvoltage`), several supplies (`supply_control`), contacts that age
(`Electrodes`).
"""

from typing import Any

import numpy as np

from ekm3d.backends.read_only_memo import read_only
from ekm3d.backends.scratch import SOURCES, Scratch
from ekm3d.boundaries.boundary_faces import BoundaryFaces
from ekm3d.boundaries.schedule import Drive
from ekm3d.constants import F_RT
from ekm3d.errors import ConvergenceError
from ekm3d.grid.grid import Array, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.contact_currents import (
    BoundaryState,
    contact_currents,
    couple_contacts,
    flag_contacts,
)
from ekm3d.physics.contact_sums import ContactSums
from ekm3d.physics.electrode_lines import ElectrodeLines
from ekm3d.physics.floating_metal import switched
from ekm3d.physics.half_voxel import HalfVoxels, Water
from ekm3d.physics.overvoltage import Overvoltage
from ekm3d.physics.supply_control import SupplyNetwork
from ekm3d.physics.surface_conduction import TURNED, SurfaceConduction
from ekm3d.physics.unit_responses import UnitResponses
from ekm3d.solvers.elliptic import EllipticSolver
from ekm3d.state import State, has_immobile_field, stores

AT_ONCE = 10     # rounds in which all faces of floating metal may switch; then the worst one
MAX_ROUNDS = 100


class ElectricalBoundary:
    """Boundary faces during the solution for the potential; arrays (n,) of the backend.

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
        self.backend = backend = domain.backend
        self.highest = self.f_rt * np.abs(z).max(initial=0)
        _, self.source, self.coupling = scratch[SOURCES]
        n = self.n = contacts.faces.strip.size
        self.line = Grid((n, 1, 1), (1.0, 1.0, 1.0)) if n else None
        (self.into_ore, self.drop, self.level, self.previous_drop, self.solved, self.supplied,
         self.conductance, self.offset, self.still_share, self.splitting, self.half_split,
         self.shift, self.at_coupling, self.at_source, self.shared_offset) = (
            backend.zeros(n) for _ in range(15))    # splitting: s, half_split: half voltage [V]
        masks = backend.zeros((5, n), np.uint8)
        self.use_smaller_side, self.blocked, self.driven, self.backwards, self.turned = (
            masks[m] for m in range(5))
        self.flags = masks[3:]              # of the last `flag`: backwards, turned
        self.couple_contacts, self.contact_currents, self.flag_contacts = (
            backend.bind(op) for op in (couple_contacts, contact_currents, flag_contacts))
        self.roles, self.sums = contacts.last_roles, ContactSums(backend, contacts, 2)
        self.metal_faces, self.metal_electrode = contacts.metal_faces()
        self.metal_phi = np.zeros(self.metal_faces.size)
        self.waters: list[Water] = []       # of the last start with a state's species
        self.clay: SurfaceConduction | None = None
        self.clay_contact: Any = 0.0
        self.half_voxels = HalfVoxels(domain, contacts.faces, contacts.grid, z, diffusion,
                                      inverse_temperature)
        self.resistance = backend.cached(contacts.faces.resistance)
        self.lines = ElectrodeLines(domain, contacts)
        self.overvoltage = Overvoltage(contacts.faces.area, contacts.electrodes.tafel)
        self.network: SupplyNetwork | None = None
        self.groups: list = []
        self.grouped: tuple[list, np.ndarray] = [], read_only(np.zeros(n, np.uint8))
        self.floating = True        # what it leaves is removed by the first drive without
        self.controlled_level: dict[int, float] = {}
        self.responses = UnitResponses(scratch, domain, contacts.faces.voxel, self.lines)

    def electrode_potential(self) -> np.ndarray:
        """Return the potential of every strip, then of every side [V]; 0 for one without faces."""
        level, (there, faces) = np.zeros(self.contacts.count), self.contacts.last_faces
        level[there] = self._of(self.level, faces)
        return level

    def present_potential(self) -> np.ndarray:
        """Return `electrode_potential`; NaN for a strip or side that carries no current now."""
        used = np.zeros(self.contacts.count, bool)
        for group in self.groups:
            used[self.contacts.faces.strip[group.faces]] = True
        return np.where(used, self.electrode_potential(), np.nan)

    def phi_at_faces(self, phi: Array) -> Array:
        """Return phi [V] of the voxel at every face; in metal that of the last complete solution.

        phi: padded. Faces in metal pass nothing, but their drop takes part in `flag`.
        """
        at_face = self.domain.take(phi, self.contacts.faces.voxel)
        if self.metal_faces.size:
            at_face[self.backend.cached(self.metal_faces)] = self.backend.from_numpy(self.metal_phi)
        return at_face

    def _of(self, values, faces):
        """Values of some faces, on the host."""
        return self.backend.to_numpy(values[self.backend.cached(faces)])

    def finish(self) -> None:
        """Take the potential of the metal over from a complete solution."""
        if self.metal_faces.size:
            self.metal_phi = self.electrode_potential()[self.metal_electrode]
        np.copyto(self.solved, self.into_ore)

    @property
    def state(self) -> BoundaryState:
        """State of all faces now; its arrays are those of this object."""
        return BoundaryState(self.roles, self.into_ore, self.drop, self.level, self.previous_drop,
                             self.use_smaller_side, self.still_share, self.clay_contact)

    @property
    def rest(self) -> Array:
        """Drop of every face that no current passes, (n,) [V]."""
        opened = self.conductance > 0
        return np.where(opened, -self.offset / np.where(opened, self.conductance, 1.0), 0.0)

    def start(self, drive: Drive, s: State | None = None,
              conductivity: Array | None = None) -> None:
        """Apply a drive; no face is blocked or marked yet.

        s: state that the current depends on; conductivity: padded [S/m] where it is given
        instead of the species. Without a state no current can be computed afterwards.
        """
        self.roles = self.contacts.roles(drive)
        self.groups = self.contacts.groups(drive, self.overpotential)
        self.network = None if not (drive.on and drive.supplies) else SupplyNetwork(
            drive.supplies, drive.terminals, self.overpotential, drive.duty)
        if self.overvoltage.active:
            self.overvoltage.start(self.roles.kinds, self.backend.to_numpy(self.into_ore),
                                   drive.duty)
        self._group()
        self.use_smaller_side[...] = self.blocked[...] = 0
        self.waters = []
        np.copyto(self.previous_drop, self.drop)
        if s is not None:
            f, take, contact = self.contacts.faces, self.domain.take, self.half_voxels.contact
            if (electrodes := self.contacts.electrodes).ageing.any():
                of_electrodes = slice(0, electrodes.faces.strip.size)
                self.resistance = self.backend.cached(f.resistance).copy()
                self.resistance[of_electrodes] *= self.backend.from_numpy(electrodes.growth(
                    s.electrode_charge, s.time))[self.backend.cached(f.strip)[of_electrodes]]
            if conductivity is not None:
                np.copyto(self.conductance, contact(take(conductivity, f.voxel)))
            else:
                self.reservoir = s.reservoir_species
                self._take_waters(s)
            if self.clay is not None:
                self.on_clay = contact(take(self.clay.mobility, f.voxel))
                self.carriers = [take(exchanged, f.voxel) for exchanged in stores(
                    s, "exchanged", "immobile_exchanged")[:max(len(self.waters), 1)]]

    def _group(self):
        """Mark the faces of all groups, and those of floating metal with half its voltage."""
        faces = [group.faces for group in self.groups]
        if [*map(id, faces)] != [*map(id, self.grouped[0])]:
            mask = np.zeros(self.n, np.uint8)
            for part in faces:
                mask[part] = 1
            self.grouped = faces, read_only(mask)
        floats = any(group.splits_at for group in self.groups)
        if floats or self.floating:
            self.half_split[...] = 0.0
            for group in self.groups:
                self._put(self.half_split, group.faces, 0.5 * group.splits_at)
            self.splitting *= self.half_split != 0.0
            self.shift[...] = 0.0
        self.floating = floats

    def _take_waters(self, s):
        """Gather the waters of the ore at all faces: the moving one, and that with a field."""
        metal = bool(self.roles.of_metal.size)
        self.waters = [self.half_voxels.water(s.c, s.transport_factor, metal)]
        if has_immobile_field(s):
            self.waters.append(self.half_voxels.water(s.immobile_c, s.immobile_factor, metal))

    def hand_over_waters(self, s: State) -> list[tuple[Array, Array]]:
        """Return (contact, c), see `Water`, of the waters of the last start, to transport from the
        same state; taken now where there are none."""
        if not self.waters:
            self._take_waters(s)
        given, self.waters = [(water.contact, water.c) for water in self.waters], []
        return given

    def connect(self, by_species: bool) -> None:
        """Compute conductance [S] and diffusion current [A] of every face.

        by_species: from the species on both sides; else from a given conductivity.
        """
        if not by_species:
            return
        found = [self.half_voxels.conduct(water, self.roles, self.reservoir, self.previous_drop,
                                          self.use_smaller_side) for water in self.waters]
        (conductance, offset), clay = found[0], self._of_clay() if self.clay is not None else []
        if clay:
            conductance = conductance + clay[0]
        if len(self.waters) > 1:
            of_still = found[1][0] + clay[1] if clay else found[1][0]
            conductance, offset = conductance + of_still, offset + found[1][1]
            opened = conductance > 0
            np.copyto(self.still_share, np.where(
                opened, of_still / np.where(opened, conductance, 1.0), 0.0))
        np.copyto(self.conductance, conductance)
        np.copyto(self.offset, offset)

    def _of_clay(self):
        """Conductance [S] of every face along the clay of either water.

        Cations come out of the ore's clay and never out of a tank's or a reservoir's water.
        """
        passes, weights = map(self.backend.cached, (self.roles.passes, self.clay.weights[:, None]))
        gives = ~passes | (self.previous_drop > 0) & (self.use_smaller_side == 0)
        contact = np.where(gives, self.on_clay, 0.0)
        self.clay_contact = np.where(passes, contact, 0.0)
        return [self.inverse_temperature * contact * (weights * held).sum(0)
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
            if self._switch_floating(phi, attempt) or self.overvoltage.active and (
                    self.overvoltage.update(self.backend.to_numpy(self.into_ore))):
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
            at_face = self._of(self.phi_at_faces(phi) - self.rest, group.faces)
            sign = self._of(self.splitting, group.faces)
            if not sign.any():                  # no current: the level of metal lies in between
                self.controlled_level[n] = 0.5 * (at_face.min() + at_face.max())
                self._put(self.level, group.faces, self.controlled_level[n])
            differs, new = switched(self.controlled_level[n] - at_face, sign,
                                    0.5 * group.splits_at, attempt < AT_ONCE)
            self._put(self.splitting, group.faces[differs], new)
            changed |= bool(differs.size)
        return changed

    def _put(self, values, faces, put):
        """Set values of some faces: to a number, or to the host's values of each."""
        values[self.backend.cached(faces)] = self.backend.from_numpy(put) if np.ndim(put) else put

    def _solve(self, elliptic, conductance, f, phi, limited, trend):
        """One solution; groups in `limited` stay at their limit."""
        controlled = []
        for n, group in enumerate(self.groups):
            if free := group.current is not None:
                self.controlled_level.setdefault(n, 0.0)
                if n not in limited:
                    controlled.append(n)
            self._put(self.level, group.faces,
                      self.controlled_level[n] if free else group.level)
        np.copyto(self.supplied, self.level)
        series = self.resistance
        if self.floating or self.overvoltage.active:
            np.multiply(self.splitting, self.half_split, out=self.shift)
        if self.overvoltage.active:
            series = series + self.backend.from_numpy(self.overvoltage.slope)
            self.shift += self.backend.from_numpy(self.overvoltage.shift)
        if self.line:
            self.couple_contacts(
                self.line, self.conductance, self.offset, series, self.level, self.shift,
                self.half_split, self.splitting, self.backend.cached(self.grouped[1]),
                self.blocked, self.n, self.driven, self.at_coupling, self.shared_offset,
                self.at_source)
        link = self._link()
        self.coupling[...] = 0.0
        np.copyto(self.source, f)
        for array, values in ((self.coupling, self.at_coupling), (self.source, self.at_source)):
            self.domain.add_at(array, self.contacts.faces.voxel, values)
        elliptic.solve(conductance, self.coupling, self.source, phi, trend=trend, link=link)
        iterations = elliptic.iterations
        if controlled:
            iterations += self._control(elliptic, conductance, phi, controlled, link)
        if self.line:
            at_face = self.phi_at_faces(phi)
            if link is not None:
                self.level += self.lines.add_responses(at_face)
            self.contact_currents(self.line, at_face, self.at_coupling, self.shared_offset, series,
                                  self.level, self.shift, self.conductance, self.offset,
                                  self.driven, self.n, self.into_ore, self.drop)
        return iterations

    def _link(self):
        """Link the voxels of rods that resist along themselves; None without any."""
        link = self.lines.connect(self.roles.kinds, self.driven, self.at_coupling, self.shift,
                                  self.shared_offset, self.level)
        if link is not None:
            np.copyto(self.at_source, np.where(
                self.driven > 0,
                self.at_coupling * (self.level - self.shift) - self.shared_offset, 0.0))
        return link

    def _control(self, elliptic, conductance, phi, controlled, link):
        """Correct the levels of controlled groups, and phi with them, to the required currents.

        controlled: numbers of the groups. Returns iterations of the solver.
        """
        active = {n: faces for n in controlled if (faces := self._driven_of(n)).size}
        if not active:
            return 0
        found = self.responses.measure(active, self.at_coupling, self.at_source, elliptic,
                                       conductance, self.coupling, phi, link)
        change = self._changes(list(active), found.currents, found.gains)
        for n, u, dv in zip(active, found.responses, change.tolist(), strict=True):
            phi += dv * u
            self.controlled_level[n] += dv
            faces = self.backend.cached(self.groups[n].faces)
            self.level[faces] += dv * found.units[faces]
            self.supplied[faces] += dv
        return found.iterations

    def _driven_of(self, n):
        """Numbers of the faces of a group that carry current, on the backend."""
        faces = self.backend.cached(self.groups[n].faces)
        return faces[np.flatnonzero(self.driven[faces])]

    def _changes(self, controlled, currents, gains):
        """Change of level of every controlled group."""
        wanted = np.array([self.groups[n].current for n in controlled])
        if self.network is None:
            return np.linalg.lstsq(gains, wanted - currents, rcond=1e-12)[0]
        ground = next(n for n, g in enumerate(self.groups) if g.terminal == 0)
        return self.network.solve(
            currents, gains, np.array([self.controlled_level[n] for n in controlled]),
            [self.groups[n].terminal for n in controlled], wanted,
            bool(self._driven_of(ground).size))

    def flag(self, sure: float, inside: Array) -> tuple[bool, bool, bool]:
        """Return whether any current of driven metal would run backwards, which blocks the face,
        and whether any drift across faces that species cross turned or grew since c* was chosen.

        sure: |z u| below which a turn does not matter; inside: a mask, told of, too, in one wait.
        """
        if not self.line:
            return False, False, bool(inside.any())
        backend, roles, on_clay = self.backend, self.roles, TURNED if self.clay else np.inf
        self.flag_contacts(self.line, self.into_ore, self.drop, self.previous_drop,
                           backend.cached(roles.sign), backend.cached(roles.passing),
                           self.use_smaller_side, self.blocked, self.highest, self.f_rt, sure,
                           on_clay, self.n, self.backwards, self.turned)
        backwards, turned, within = backend.to_numpy(np.concatenate(
            [self.flags.any(axis=1), inside.any().reshape(1)])).tolist()
        if backwards:
            self.blocked |= self.backwards
        return backwards, turned, within

    def per_place(self, *values: Array) -> np.ndarray:
        """Return the sums (rows, places) of rows of values (n,) over every strip and side."""
        return self.sums.of(*values)
