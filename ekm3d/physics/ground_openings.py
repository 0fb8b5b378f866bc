"""Flow through all openings of unsaturated ground, at the heads of an iteration.

Every opening has a law of its voxel's head h; with z the height of the opening, and K the mean of
the conductivity between the voxel's pressure head and that at the opening, G = K reach:

    head               G (H - h) - osmosis                          into the ore        [m3/s]
    outlet             - max(G (h - max(H, z)) + osmosis, 0)        open to the air above its level
    rate               its share of it; up to G (H_max - h)
    rain               min(R A, G (z + ponding - h)),               the rest runs off, and what
                                                                    comes out of a full surface
    evaporation        - min(E A, max(G (h - z - lowest), 0))
    drainage           - K(psi) A
    leak               (H - h) A / (1/conductance + half/K)

Sums over a well that exceed its max_rate are scaled down to it. A well at a head opens as an outlet
where it lies above its level.
"""

from typing import Any

import numpy as np

from ekm3d import retention_curves as curves
from ekm3d.backends.read_only_memo import read_only
from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import OUTFLOW_ONLY, Wells
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.parallel.domain import Domain
from ekm3d.physics.retention import means_between
from ekm3d.physics.rock import Rock
from ekm3d.physics.well_control import WellControl


class GroundOpenings(WellControl):
    """Openings of all wells, boundaries and sides under one drive.

    voxel: flat padded indices of all openings, those of one well after those of another; inflow
    [m3/s] and coupling [m2/s], -d inflow/dh: of the last call of `find_flows`; refused: (wells,)
    water that a well's rate offers and the ore does not take [m3/s].
    """

    def __init__(self, domain: Domain, rock: Rock, wells: Wells, curve: Array):
        """curve: (parameters, padded), see `retention_curves`."""
        super().__init__(domain, rock, wells)
        self.curve, self.voxel = curve, np.zeros(0, int)
        self.inflow = self.coupling = np.zeros(0)
        self.refused = np.zeros(0)
        self.parts: list[slice] = []
        self.means_between = domain.backend.bind(means_between)
        self.held: np.ndarray | None = None     # m, heads that openings are held against
        self.timed = False                      # one of them changes with time

    def forget_rock(self) -> None:
        """Drop cached rock properties, which have changed."""
        super().forget_rock()
        self.voxel = np.zeros(0, int)

    def start(self, drive: Drive, drop: Array) -> None:
        """Open all wells of a drive; drop: as of WellControl."""
        super().start(drive, drop)
        self.held = None
        ends = np.cumsum([0, *(place.voxel.size for place in self.openings)])
        self.parts = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        voxel = self._joined([place.voxel for place in self.openings]).astype(int)
        self.area, self.reach, self.osmosis = (self._joined(values) for values in (
            [place.area for place in self.openings], [place.reach for place in self.openings],
            [self.backend.to_numpy(values) for values in self.osmotic]))
        whole = self.domain.whole
        layer = np.unravel_index(voxel, whole.padded)[0] - GHOST if voxel.size else voxel
        self.centre = whole.centres(0)[layer]
        self.height = self._joined([self._heights(n, place, self.centre[part]) for n, (
            place, part) in enumerate(zip(self.openings, self.parts, strict=True))])
        if not np.array_equal(voxel, self.voxel):
            self.voxel = read_only(voxel)
            self.row = Grid((max(voxel.size, 1), 1, 1), (1.0, 1.0, 1.0))
            gather = self.domain.gather
            self.conductivity = self._joined([
                self.backend.to_numpy(self._rock_at(n, place)[0])
                for n, place in enumerate(self.openings)])
            self.curves = np.array([gather(values, voxel) for values in self.curve])
            self.known_curves = self.domain.backend.from_numpy(self.curves)

    @staticmethod
    def _joined(parts):
        return np.concatenate([np.zeros(0), *parts])

    def _heights(self, n, place, centre):
        """Heights [m] of the openings of well n, whose voxels have these heights."""
        if n in self.wells.surfaces and place.voxel.size:      # not closed by its stage
            return self.wells.surfaces[n].height
        height, at_face = centre.copy(), place.face >= 0
        if at_face.any():
            height[at_face] += self._above_centre(place.face[at_face])
        return height

    def _above_centre(self, face):
        """Heights of boundary faces above the centres of their voxels [m]."""
        faces = self.wells.contacts.faces
        half = 0.5 * self.domain.whole.spacing_along(0)
        return np.where(faces.axis[face] == 0, -half * faces.way[face], 0.0)

    def find_flows(self, head: Array, relative: Array, osmosis: Array, time: float) -> None:
        """Find the flow through all openings, and how it falls with the heads.

        head [m], relative K_r, osmosis k_e / k_e,s: padded; time: s.
        """
        gather, voxel = self.domain.gather, self.voxel
        if not voxel.size:
            self.inflow = self.coupling = np.zeros(0)
            self.refused = np.zeros(len(self.openings))
            return
        self._hold(time)
        self.head, self.relative = gather(head, voxel), gather(relative, voxel)
        self.drawn = self.osmosis * gather(osmosis, voxel)
        self._to_held()
        self.inflow, self.coupling = np.zeros(voxel.size), np.zeros(voxel.size)
        self.refused = np.zeros(len(self.openings))
        for n, part in enumerate(self.parts):
            well = self.now[n]
            if well is None or part.start == part.stop:
                continue
            inflow, coupling = LAW[self._law(n, well)](self, n, well, part, time)
            if well.max_rate is not None:
                total = abs(float(inflow.sum()))
                if total > well.max_rate:
                    inflow, coupling = (v * (well.max_rate / total) for v in (inflow, coupling))
            self.inflow[part], self.coupling[part] = inflow, coupling

    def _hold(self, time):
        """Set what every opening is held against: the head [m], and K_r there.

        Kept for the step, unless a head changes with time.
        """
        if self.held is not None and not self.timed:
            return
        self.held, self.timed = self.height.copy(), False
        for n, part in enumerate(self.parts):
            well = self.now[n]
            if well is not None and part.start < part.stop:
                level = HELD.get(self._law(n, well))
                if level is not None:
                    self.held[part] = level(self, n, well, part, time)
                self.timed |= getattr(getattr(well, "head", None), "times", None) is not None
        beyond = self.held - self.height
        self.at_opening = np.ones_like(beyond) if (beyond >= 0.0).all() else curves.effective(
            beyond, self.curves)[2]

    def _to_held(self):
        """Set G, the inflow by the head behind every opening, and -d inflow/dh [m2/s, m3/s, m2/s].
        """
        backend, count = self.domain.backend, self.voxel.size
        out = backend.zeros(count)
        self.means_between(self.row, *map(backend.from_numpy, (
            self.head - self.centre, self.held - self.height, self.relative, self.at_opening)),
            self.known_curves, count, out)
        mean = backend.to_numpy(out)
        whole = self.conductivity * self.reach
        self.conductance, self.to_held = whole * mean, whole * self.relative
        self.by_head = self.conductance * (self.held - self.head) - self.drawn

    def _level(self, n, well, time):
        """Head [m] of a well, or of a boundary at this time."""
        if n in self.wells.surfaces:
            level = getattr(well, "head", None)
            chosen = self.wells.surfaces[n].level
            return chosen.at(time) if level is None or level.times is None else level.at(time)
        return well.head

    def _law(self, n, well):
        """Name of the law of well n, in LAW; sides and boundaries hold their head on all faces."""
        law = getattr(well, "law", None) or well.kind
        at_faces = n in self.wells.surfaces or n >= len(self.wells)
        return "fixed head" if law == "head" and at_faces else law

    # ---- heads that openings are held against ----

    def _head_or_height(self, n, well, part, time):
        return np.maximum(self._level(n, well, time), self.height[part])

    def _head(self, n, well, part, time):
        return self._level(n, well, time)

    def _most(self, n, well, part, time):
        return self.height[part] if well.max_head is None else well.max_head

    def _ponded(self, n, well, part, time):
        return self.height[part] + well.ponding

    def _driest(self, n, well, part, time):
        return self.height[part] + well.lowest

    # ---- laws: (inflow, coupling) of the openings of one well ----

    def _outlet(self, n, well, part, time):
        inflow = self.by_head[part]
        return np.minimum(inflow, 0.0), np.where(inflow < 0.0, self.to_held[part], 0.0)

    def _fixed_head(self, n, well, part, time):
        return self.by_head[part], self.to_held[part]

    def _well_at_head(self, n, well, part, time):
        inflow = self.by_head[part]
        passes = (well.head >= self.height[part]) | (inflow < 0.0)
        return np.where(passes, inflow, 0.0), np.where(passes, self.to_held[part], 0.0)

    def _water_table(self, n, well, part, time):
        below = self._level(n, well, time) > self.height[part]
        return (np.where(below, self.by_head[part], 0.0),
                np.where(below, self.to_held[part], 0.0))

    def _injection(self, n, well, part, time):
        rate = well.rate * self.openings[n].share
        if well.max_head is None:
            return rate, np.zeros_like(rate)
        most = self.by_head[part]
        return self._limited(n, rate, np.maximum(most, 0.0),
                             np.where(most > 0, self.to_held[part], 0.0))

    def _rain(self, n, well, part, time):
        return self._limited(n, well.rate * self.area[part], self.by_head[part],
                             self.to_held[part])

    def _limited(self, n, rate, most, coupling):
        """Return a rate, as far as the ore takes it in; record what it refuses."""
        held = most < rate
        inflow = np.where(held, most, rate)
        self.refused[n] = float((rate - np.maximum(inflow, 0.0)).sum())
        return inflow, np.where(held, coupling, 0.0)

    def _evaporation(self, n, well, part, time):
        most, rate = np.maximum(-self.by_head[part], 0.0), well.rate * self.area[part]
        held = most < rate
        return (-np.where(held, most, rate),
                np.where(held & (most > 0.0), self.to_held[part], 0.0))

    def _drainage(self, n, well, part, time):
        inflow = -self.conductivity[part] * self.relative[part] * self.area[part]
        return inflow, np.zeros_like(inflow)

    def _leak(self, n, well, part, time):
        level = np.broadcast_to(self._level(n, well, time), self.head[part].shape)
        near = np.where(self.head[part] > level, self.to_held[part], self.conductance[part])
        far = well.conductance * self.area[part]
        coupling = np.divide(near * far, near + far, out=np.zeros_like(near), where=near > 0)
        return coupling * (level - self.head[part]), coupling


HELD: dict[str, Any] = {
    "injection": GroundOpenings._most, "fixed head": GroundOpenings._head,
    "rain": GroundOpenings._ponded, "evaporation": GroundOpenings._driest,
    **dict.fromkeys((*OUTFLOW_ONLY, "head", "water table", "leak"), GroundOpenings._head_or_height)}
LAW: dict[str, Any] = {
    "injection": GroundOpenings._injection, "head": GroundOpenings._well_at_head,
    **dict.fromkeys((*OUTFLOW_ONLY, "seepage"), GroundOpenings._outlet),
    "rain": GroundOpenings._rain, "evaporation": GroundOpenings._evaporation,
    "drainage": GroundOpenings._drainage, "fixed head": GroundOpenings._fixed_head,
    "water table": GroundOpenings._water_table, "leak": GroundOpenings._leak}
