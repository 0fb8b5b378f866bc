"""Retention of the ore, read from [ore.retention]: curves voxel by voxel, and the first water.

The water at the start is either ore.water_content, from which the pressure head follows, or
ore.retention.pressure_head, from which the water content follows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d import retention_curves as curves
from ekm3d.boundaries.rods import axis_voxels
from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.rocks import Ground, RockValues
from ekm3d.case.schema import box_of
from ekm3d.case.schema_ground import CurveEntry, RetentionEntry
from ekm3d.case.toml_tables import parse
from ekm3d.case.units import QuantityKind, not_negative, positive
from ekm3d.case.voxel_values import SourceReader
from ekm3d.grid.rasterise import rasterise
from ekm3d.quoting import quoted

PATH: KeyPath = ("ore", "retention")
KINDS = {    # key -> kind of quantity, and the value where the case gives none
    "alpha": (positive("1/m", "3.6 1/m"), None),
    "n": (positive("", "1.56"), None),
    "residual": (QuantityKind("", "0.08", 0.0, 1.0, below=True), 0.0),
    "saturated": (QuantityKind("", "0.43", 0.0, 1.0, above=True), None),
    "connectivity": (QuantityKind("", "0.5", -10.0, 10.0), 0.5),
    "air_entry": (not_negative("m", "2 cm"), 0.0),
    "alpha_2": (positive("1/m", "0.5 1/m"), np.nan),
    "n_2": (QuantityKind("", "1.4", 1.0, above=True), np.nan),
    "share_2": (QuantityKind("", "0.3", 0.0, 1.0), 0.0)}
UNUSED = {"alpha_2": 1.0, "n_2": 2.0}   # of rock without pores of a second kind
OF_MODEL = ("n", "air_entry", "share_2", "connectivity")    # keys that not every model has
PRESSURE = QuantityKind("m", "-1 m")
SLOW = 1.6      # n below which K falls steeply at full pores; it has no finite slope there below 2
STEEPEST = 50.0 # n above which K_r of dry rock has no digits
DRY = 1e-3      # effective saturation below which an electrode has no ground to work in


@dataclass(frozen=True)
class Retention:
    """Retention curves of a case: curve (parameters, nz, ny, nx), see `retention_curves`.

    pressure_head: (nz, ny, nx) at the start [m]; osmosis: what k_e / k_e,s is; tortuosity: exponent
    of theta / theta_s; tolerance: error of theta in a sub-step [1].
    """

    curve: np.ndarray
    pressure_head: np.ndarray
    osmosis: str
    tortuosity: float
    tolerance: float

    def saturation(self) -> np.ndarray:
        """Return the effective saturation at the start (nz, ny, nx)."""
        return curves.effective(self.pressure_head, self.curve)[0]


class RetentionReader:
    """Reader of [ore.retention]; problems go to `problems`."""

    def __init__(self, sources: SourceReader, problems: Problems, rocks: RockValues | None = None):
        self.sources, self.problems, self.grid = sources, problems, sources.grid
        self.rocks = rocks or RockValues(Ground(), sources, problems)
        self.types: dict[str, CurveEntry] = {}      # curves of rock types
        self.parts: list[tuple[KeyPath, CurveEntry, Any]] = []      # (path, table, voxels)

    def read(self, entry: RetentionEntry, water: Any, porosity: np.ndarray) -> Retention:
        """Return the Retention; water: ore.water_content (nz, ny, nx), None where not given."""
        curve = self.curve(entry, porosity)
        for key, of_mode in (("n", True), ("n_2", curve[curves.SHARE_2] > 0)):
            low = curve[curves.PARAMETERS.index(key)] < SLOW
            vg = curve[curves.MODEL] == curves.MODELS["van Genuchten"]
            self._warn_slow(key, self.rocks.rest(()) & low & of_mode & vg
                            & (curve[curves.AIR_ENTRY] == 0), curve)
        psi = self.problems.attempt(self._pressure_head, entry, water, curve)
        return Retention(curve, psi, entry.osmosis, entry.tortuosity, entry.tolerance)

    def curve(self, entry: RetentionEntry, porosity: np.ndarray) -> np.ndarray:
        """Return the checked curve (parameters, nz, ny, nx) of every voxel.

        MissingValue where a value of any of its tables is wrong; all of them are told.
        """
        self.types = {name: parse(CurveEntry, table, self.problems, ("rocks", name, "retention"))
                      for name, table in self.rocks.given("retention").items()}
        self.parts = [(PATH, entry, ...)]
        self.parts += [(("rocks", name, "retention"), of_type, self.rocks.ground.masks[name])
                       for name, of_type in self.types.items() if of_type is not MISSING]
        places = [self.problems.attempt(self._box, (*PATH, "region", n), region)
                  for n, region in enumerate(entry.region)]
        self.parts += [((*PATH, "region", n), region, place) for n, (region, place) in enumerate(
            zip(entry.region, places, strict=True)) if place is not MISSING]
        curve: Any = None
        whole = len(self.parts) == 1 + len(self.types) + len(entry.region)
        for path, part, place in self.parts:
            found = self.problems.attempt(self._curve, part, path, porosity, curve, place)
            whole = whole and found is not MISSING
            if found is not MISSING:
                curve = found
            elif curve is None:                     # what follows is read all the same
                curve = np.ones((len(curves.PARAMETERS), *self.grid.shape))
        if not whole:
            raise MissingValue
        if self.problems.attempt(self._check, curve, porosity) is MISSING:
            n = curve[curves.N]                     # what follows is read all the same
            n[(curve[curves.MODEL] == curves.MODELS["van Genuchten"]) & (n <= 1.0)] = 2.0
        for key, value in UNUSED.items():
            row = curve[curves.PARAMETERS.index(key)]
            row[np.isnan(row)] = value
        curves.complete(curve)
        return curve

    def _box(self, path, region):
        """Return the voxels of a region."""
        if region.box is MISSING:
            raise MissingValue
        try:
            return rasterise(box_of(region.box), self.grid)
        except ValueError as e:
            self.problems.add((*path, "box"), str(e))
            raise MissingValue from None

    def _curve(self, entry: CurveEntry, path: KeyPath, porosity: np.ndarray,
               around: np.ndarray | None, place: Any) -> np.ndarray:
        """Return the curve with the values of an entry in `place`, others from `around`."""
        out = np.zeros((len(curves.PARAMETERS), *self.grid.shape)) if around is None \
            else around.copy()
        name = entry.model or (None if around is not None else "van Genuchten")
        if name is not None:
            out[curves.MODEL][place] = curves.MODELS[name]
        whole = True
        for key, (kind, default) in KINDS.items():
            value, row = getattr(entry, key), out[curves.PARAMETERS.index(key)]
            if value is not None:
                found = self.sources.field((*path, key), value, kind)
                whole = whole and found is not MISSING
                if found is not MISSING:
                    row[place] = np.broadcast_to(found, self.grid.shape)[place]
            elif around is None and key == "saturated":
                row[...] = porosity
            elif around is None and default is not None:
                row[...] = default
            elif around is None and self._types_give(key):
                row[...] = 2.0                  # that of rock types follows
            elif around is None and not (key == "n" and name == "Gardner"):
                self.problems.add((*path, key), f"is missing; write e.g. {key} = {kind.example!r}")
                whole = False
            elif around is None:
                row[...] = 2.0
        for key in ("alpha_2", "n_2"):
            if getattr(entry, key) is not None and entry.share_2 is None:
                self.problems.add((*path, key), "is that of a second kind of pores; give share_2, "
                                  "their share of the water, as well")
        if not whole:
            raise MissingValue
        return out

    def _types_give(self, key):
        """True if rock types that give a key fill the ore."""
        names = [name for name, entry in self.types.items() if getattr(entry, key) is not None]
        return bool(names) and not self.rocks.rest(names).any()

    def _check(self, curve, porosity):
        """Check the relations between the parameters of a curve; MissingValue if one is wrong."""
        model = curve[curves.MODEL]
        vg = model == curves.MODELS["van Genuchten"]
        mualem = vg | (model == curves.MODELS["Brooks-Corey"])
        high, low = curve[curves.SATURATED], curve[curves.RESIDUAL]
        here = self.rocks.rest(())
        sound = self._check_second(curve, here)
        steep = curve[curves.CONNECTIVITY] + 2 + 2 / np.maximum(curve[curves.N], 1e-9)
        for key, wrong, text in (
                ("n", vg & (curve[curves.N] <= 1.0), "of van Genuchten's curve must be above 1"),
                ("n", vg & (curve[curves.N] > STEEPEST), "of van Genuchten's curve must be at "
                 f"most {STEEPEST:g}: no rock is that even"),
                ("residual", low >= high, "must be below the saturated water content"),
                ("saturated", high > porosity * (1 + 1e-12), "must not exceed the porosity"),
                ("air_entry", (curve[curves.AIR_ENTRY] > 0) & ~vg, "is that of van Genuchten's "
                 "curve; Brooks-Corey has 1/alpha, Gardner none"),
                ("share_2", (curve[curves.SHARE_2] > 0) & ~vg, "is for van Genuchten's curve"),
                ("connectivity", mualem & (steep <= 0), "is so negative that dry ore would "
                 "conduct better than wet ore")):
            row = curve[curves.PARAMETERS.index(key)]
            for path, told, part in self._by_table(key, wrong & here, key in OF_MODEL):
                sound = False
                value = f"{row[told][0]:g}"
                where = f"; the first of {told.sum()} voxels is at {self.sources.place(told)}"
                if getattr(part, key) is None and part.model is not None and path != PATH:
                    self.problems.add((*path, "model"), f"{quoted(part.model)} takes over {key} = "
                                      f"{value} of the rock around it, which {text}; give {key} "
                                      f"here as well{where}")
                else:
                    self.problems.add((*path, key), f"{value} {text}{where}")
        if not sound:
            raise MissingValue

    def _check_second(self, curve, here):
        """Refuse pores of a second kind without their alpha_2 or n_2; True if there are none."""
        share, sound = curve[curves.SHARE_2], True
        for key in UNUSED:
            lacks = here & (share > 0) & np.isnan(curve[curves.PARAMETERS.index(key)])
            for path, told, _ in self._by_table("share_2", lacks):
                sound = False
                self.problems.add((*path, key), (
                    f"is missing: share_2, {share[told][0]:g}, is that of a second kind of pores, "
                    f"which needs alpha_2 and n_2; write e.g. {key} = {KINDS[key][0].example!r}"))
        return sound

    def _by_table(self, key, where, or_model=False):
        """Yield (path, its voxels, table) of the tables that give a key in voxels `where`.

        or_model: or that give the model, whichever of both is the later one.
        """
        for path, part, place in reversed(self.parts):
            own = np.zeros(self.grid.shape, bool)
            own[place] = True
            found = where & own
            given = getattr(part, key) is not None or (or_model and part.model is not None)
            if found.any() and (given or path == PATH):
                yield path, found, part
                where = where & ~own

    def _warn_slow(self, key, wrong, curve):
        """Warn of curves whose conductivity is so steep near full pores that steps are short."""
        row = curve[curves.PARAMETERS.index(key)]
        for path, told, _ in self._by_table(key, wrong):
            self.problems.warn((*path, key), (
                f"{row[told][0]:g} without air_entry, in {told.sum()} voxels, the first at "
                f"{self.sources.place(told)}: below {SLOW:g} the conductivity falls so "
                "steeply where full pores begin to drain that a run may take thousands of "
                'sub-steps; add air_entry = "1 cm" to "2 cm" (Vogel et al. 2001)'))

    def _pressure_head(self, entry, water, curve):
        """Return the pressure head at the start (nz, ny, nx) [m]."""
        if (entry.pressure_head is None) == (water is None):
            self.problems.add(("ore", "water_content"), "or ore.retention.pressure_head tells the "
                              "water at the start; give one of them, the other follows")
            raise MissingValue
        if entry.pressure_head is not None:
            return self.sources.field((*PATH, "pressure_head"), entry.pressure_head, PRESSURE)
        low, high = curve[curves.RESIDUAL], curve[curves.SATURATED]
        here, sound = self.rocks.rest(()), True
        for wrong, text in (((water > high * (1 + 1e-9)) & here, "above that of full pores"),
                            ((water <= low + 1e-6 * (high - low)) & here, "not above the residual "
                             "one, so that no pressure head belongs to it")):
            if wrong.any():
                self.problems.add(("ore", "water_content"), f"{water[wrong][0]:g} is {text} "
                                  f"({curve[curves.RESIDUAL][wrong][0]:g} to "
                                  f"{high[wrong][0]:g}) in {wrong.sum()} voxels, the first at "
                                  f"{self.sources.place(wrong)}")
                sound = False
        if not sound:
            raise MissingValue
        return curves.pressure_head(water, curve)


def dry_electrodes(case: Any, problems: Problems) -> None:
    """Refuse electrodes all of whose ore is dry when the first stage drives them.

    Those that a later stage drives first are warned of: a stage before it may wet them. The ore of
    a rod are the voxels that its axis passes; of others those around their metal.
    """
    retention = case.ore.retention
    if retention is None or retention is MISSING or not case.physics.potential:
        return
    saturation = case.in_block(retention.saturation())
    first: dict[str, int] = {}                              # stage that drives a row first
    for k, stage in enumerate(case.schedule.stages):
        for name in (*stage.anodes, *stage.cathodes) if stage.voltage or stage.current else ():
            first.setdefault(name, k)
    for n, row in enumerate(case.electrodes.rows):
        if row.name not in first:
            continue
        places: list[Any] = [tuple(slice(max(p.start - 1, 0), p.stop + 1)
                                   for p in rasterise(box, case.grid)) for box in row.boxes]
        places += [axis_voxels(rod, case.grid) for rod in row.rods]
        for s, place in enumerate(places, 1):
            most = saturation[place].max()
            if most < DRY and first[row.name] == 0:
                problems.add(("electrodes", "row", n), f"electrode {s} of {row.name!r} stands in "
                             f"dry ore when it is driven first (effective saturation {most:.2g}): "
                             "no current can pass; wet the ore in a stage before, or begin with "
                             "more water")
            elif most < DRY:
                stage = case.schedule.stages[first[row.name]]
                problems.warn(("electrodes", "row", n), f"electrode {s} of {row.name!r} stands in "
                              f"ore that is dry at the start (effective saturation {most:.2g}): "
                              f"unless it is wetted before stage {stage.name!r}, no current can "
                              "pass, or at very high voltages only")
