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
from ekm3d.boundaries.schedule import Drive
from ekm3d.boundaries.wells import OUTFLOW_ONLY, Wells
from ekm3d.grid.grid import GHOST, Array
from ekm3d.parallel.domain import Domain
from ekm3d.physics.retention import face_mean
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
        self.at_openings: dict[int, tuple] = {}     # first opening -> pressure heads, K_r there

    def start(self, drive: Drive, drop: np.ndarray) -> None:
        """Open all wells of a drive; drop: as of WellControl."""
        super().start(drive, drop)
        ends = np.cumsum([0, *(place.voxel.size for place in self.openings)])
        self.parts = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        voxel = self._joined([place.voxel for place in self.openings]).astype(int)
        self.area, self.reach, self.osmosis = (self._joined(values) for values in (
            [place.area for place in self.openings], [place.reach for place in self.openings],
            self.osmotic))
        whole = self.domain.whole
        layer = np.unravel_index(voxel, whole.padded)[0] - GHOST if voxel.size else voxel
        self.centre = whole.centres(0)[layer]
        self.height = self._joined([self._heights(n, place, self.centre[part]) for n, (
            place, part) in enumerate(zip(self.openings, self.parts, strict=True))])
        if not np.array_equal(voxel, self.voxel):
            self.voxel, self.at_openings = voxel, {}
            gather = self.domain.gather
            self.conductivity = self._joined([
                self._rock_at(n, place)[0] for n, place in enumerate(self.openings)])
            self.curves = np.array([gather(values, voxel) for values in self.curve])

    @staticmethod
    def _joined(parts):
        return np.concatenate([np.zeros(0), *parts])

    def _heights(self, n, place, centre):
        """Heights [m] of the openings of well n, whose voxels have these heights."""
        if n in self.wells.surfaces:
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
        self.head, self.relative = gather(head, voxel), gather(relative, voxel)
        self.drawn = self.osmosis * gather(osmosis, voxel)
        self.inflow, self.coupling = np.zeros(voxel.size), np.zeros(voxel.size)
        self.refused = np.zeros(len(self.openings))
        for n, part in enumerate(self.parts):
            well = self.now[n]
            if well is None or part.start == part.stop:
                continue
            law = getattr(well, "law", None) or well.kind
            inflow, coupling = LAW[law](self, n, well, part, time)
            if well.max_rate is not None:
                total = abs(float(inflow.sum()))
                if total > well.max_rate:
                    inflow, coupling = (v * (well.max_rate / total) for v in (inflow, coupling))
            self.inflow[part], self.coupling[part] = inflow, coupling

    # ---- laws: (inflow, coupling) of the openings of one well ----

    def _conductance(self, part, level):
        """G [m2/s] between the voxels and openings at a head [m]."""
        psi, beyond = self.head[part] - self.centre[part], level - self.height[part]
        curve, own = self.curves[:, part], self.relative[part]
        at_opening = self._at_opening(part, beyond)
        mean = face_mean(psi, beyond, own, at_opening, curve)
        return self.conductivity[part] * self.reach[part] * mean

    def _at_opening(self, part, beyond):
        """K_r of the rock at openings, at pressure heads [m], which change little or never."""
        last = self.at_openings.get(part.start)
        if last is None or not np.array_equal(last[0], beyond):
            found = curves.effective(beyond, self.curves[:, part])[2]
            last = self.at_openings[part.start] = beyond.copy(), found
        return last[1]

    def _to_level(self, part, level):
        """Inflow from a head [m] behind the openings, and -d inflow/dh [m2/s]."""
        level = np.broadcast_to(level, self.head[part].shape)
        inflow = self._conductance(part, level) * (level - self.head[part]) - self.drawn[part]
        return inflow, self.conductivity[part] * self.reach[part] * self.relative[part]

    def _level(self, n, well, time):
        """Head [m] of a well, or of a boundary at this time."""
        if n in self.wells.surfaces:
            level = getattr(well, "head", None)
            chosen = self.wells.surfaces[n].level
            return chosen.at(time) if level is None or level.times is None else level.at(time)
        return well.head

    def _outlet(self, n, well, part, time):
        level = np.maximum(self._level(n, well, time), self.height[part])
        if not (self.head[part] > level).any() and not (self.drawn[part] > 0.0).any():
            return np.zeros(level.shape), np.zeros(level.shape)
        inflow, coupling = self._to_level(part, level)
        return np.minimum(inflow, 0.0), np.where(inflow < 0.0, coupling, 0.0)

    def _seepage(self, n, well, part, time):
        inflow, coupling = self._to_level(part, self.height[part])
        return np.minimum(inflow, 0.0), np.where(inflow < 0.0, coupling, 0.0)

    def _fixed_head(self, n, well, part, time):
        return self._to_level(part, self._level(n, well, time))

    def _well_at_head(self, n, well, part, time):
        if n >= len(self.wells):                       # a side: one head behind all of it
            return self._fixed_head(n, well, part, time)
        below = well.head >= self.height[part]
        level = np.maximum(well.head, self.height[part])
        inflow, coupling = self._to_level(part, level)
        passes = below | (inflow < 0.0)
        return np.where(passes, inflow, 0.0), np.where(passes, coupling, 0.0)

    def _water_table(self, n, well, part, time):
        level = np.broadcast_to(self._level(n, well, time), self.head[part].shape)
        below = level > self.height[part]
        inflow, coupling = self._to_level(part, np.where(below, level, self.height[part]))
        return np.where(below, inflow, 0.0), np.where(below, coupling, 0.0)

    def _injection(self, n, well, part, time):
        rate = well.rate * self._shares(n)
        if well.max_head is None:
            return rate, np.zeros_like(rate)
        most, coupling = self._to_level(part, np.full(rate.shape, well.max_head))
        return self._limited(n, rate, np.maximum(most, 0.0), np.where(most > 0, coupling, 0.0))

    def _rain(self, n, well, part, time):
        most, coupling = self._to_level(part, self.height[part] + well.ponding)
        return self._limited(n, well.rate * self.area[part], most, coupling)

    def _limited(self, n, rate, most, coupling):
        """Return a rate, as far as the ore takes it in; record what it refuses."""
        held = most < rate
        inflow = np.where(held, most, rate)
        self.refused[n] = float((rate - np.maximum(inflow, 0.0)).sum())
        return inflow, np.where(held, coupling, 0.0)

    def _evaporation(self, n, well, part, time):
        most, coupling = self._to_level(part, self.height[part] + well.lowest)
        most, rate = np.maximum(-most, 0.0), well.rate * self.area[part]
        held = most < rate
        return -np.where(held, most, rate), np.where(held & (most > 0.0), coupling, 0.0)

    def _drainage(self, n, well, part, time):
        inflow = -self.conductivity[part] * self.relative[part] * self.area[part]
        return inflow, np.zeros_like(inflow)

    def _leak(self, n, well, part, time):
        level = np.broadcast_to(self._level(n, well, time), self.head[part].shape)
        full = self.conductivity[part] * self.reach[part]
        near = np.where(self.head[part] > level, full * self.relative[part],
                        self._conductance(part, np.maximum(level, self.height[part])))
        far = well.conductance * self.area[part]
        coupling = np.divide(near * far, near + far, out=np.zeros_like(near), where=near > 0)
        return coupling * (level - self.head[part]), coupling


LAW: dict[str, Any] = {
    "injection": GroundOpenings._injection, "head": GroundOpenings._well_at_head,
    **dict.fromkeys(OUTFLOW_ONLY, GroundOpenings._outlet),
    "rain": GroundOpenings._rain, "evaporation": GroundOpenings._evaporation,
    "seepage": GroundOpenings._seepage, "drainage": GroundOpenings._drainage,
    "fixed head": GroundOpenings._fixed_head, "water table": GroundOpenings._water_table,
    "leak": GroundOpenings._leak}
