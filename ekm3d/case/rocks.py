"""Active voxels and rock types of a case, from shapes: ore.active and [rocks.NAME].

A voxel is active when at least grid.least_share of it lies in ore.active; the others are air, or
rock that takes no part. Where rock types together have that share of a voxel, it belongs to the one
with the largest; what a type does not give there is that of [ore].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from ekm3d.case.problems import MISSING, KeyPath, MissingValue, Problems
from ekm3d.case.schema import Ore
from ekm3d.case.schema_shapes import RockEntry
from ekm3d.case.shapes import ShapeReader
from ekm3d.case.units import QuantityKind
from ekm3d.case.voxel_values import SourceReader
from ekm3d.grid.solids import Combination, Solid
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

SLACK = 1e-9            # share of a voxel that is rounding


@dataclass(frozen=True)
class Rasterised:
    """Body on the grid: its volume within the block as given, and that of its voxels [m3]."""

    name: str
    volume: float
    on_grid: float


@dataclass(frozen=True)
class Ground:
    """Voxels that take part, and rock types; masks (nz, ny, nx).

    active: None where all take part; masks, entries: of every rock type, by its name; bodies: of
    the active ore and of the types.
    """

    active: np.ndarray | None = None
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    entries: Mapping[str, RockEntry] = field(default_factory=dict)
    bodies: tuple[Rasterised, ...] = ()

    def numbers(self, shape: Sequence[int]) -> np.ndarray:
        """Return the number of the rock type of every voxel (nz, ny, nx), 0 for that of [ore]."""
        out = np.zeros(shape, np.int32)
        for n, mask in enumerate(self.masks.values(), 1):
            out[mask] = n
        return out


class GroundReader:
    """Reader of ore.active and [rocks]; problems go to `problems`."""

    def __init__(self, shapes: ShapeReader, problems: Problems):
        self.shapes, self.problems, self.grid = shapes, problems, shapes.grid

    def read(self, ore: Ore, rocks: Mapping[str, RockEntry]) -> Ground:
        """Return the Ground of a validated [ore] and [rocks]."""
        self.shapes.read_all()
        bodies, active, solid = [], None, None
        if ore.active is not None:
            path: KeyPath = ("ore", "active")
            solid = self.shapes.read(path, ore.active)
            share, = self.shapes.shares(path, [solid])
            active = share >= self.shapes.least_share - SLACK
            bodies.append(self._body("active ore", share, active))
            if not active.any():
                self.problems.add(path, "no voxel of the block lies in it; shapes are in the "
                                  "coordinates of the case, in m")
                raise MissingValue
            if active.all():
                active = None
        entries = {name: rock for name, rock in rocks.items() if rock is not MISSING}
        masks = self._masks(entries, ore.rock_order, active, solid)
        for name, (share, mask) in masks.items():
            bodies.append(self._body(name, share, mask))
        return Ground(active, {name: mask for name, (_, mask) in masks.items()}, entries,
                      tuple(bodies))

    def _body(self, name: str, share: np.ndarray, mask: np.ndarray) -> Rasterised:
        volume = self.grid.voxel_volume
        return Rasterised(name, float(share.sum()) * volume, float(mask.sum()) * volume)

    def _masks(self, rocks: Mapping[str, RockEntry], order: Sequence[str],
               active: np.ndarray | None, ore: Solid | None
               ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return {name: (share of voxels, mask)} of rock types; ore: the body of active ore."""
        for name in order:
            if name not in rocks:
                self.problems.add(("ore", "rock_order"), f"there is no [rocks.{name}]"
                                  + suggest(name, list(rocks)))
        if not rocks:
            return {}
        solids = {name: self.shapes.read(("rocks", name, "shape"), rock.shape)
                  for name, rock in rocks.items()}
        if ore is not None:
            solids = {name: Combination("intersection", [solid, ore])
                      for name, solid in solids.items()}
        listed = [name for name in order if name in rocks]
        whole = dict(solids)
        for n, name in enumerate(listed[1:], 1):
            solids[name] = Combination("difference", [
                whole[name], *(whole[other] for other in listed[:n])])
        names, shares = list(solids), []
        for name, solid in solids.items():
            shares.append(self.shapes.shares(("rocks", name, "shape"), [solid])[0])
        share = np.array(shares)
        self._check_overlaps(solids, share)
        best = (share >= share.max(axis=0) - SLACK).argmax(axis=0)      # ties: the first
        held = share.sum(axis=0) >= self.shapes.least_share - SLACK
        if active is not None:
            held &= active
        for n, name in enumerate(names):
            if not (held & (best == n)).any():
                self.problems.warn(("rocks", name), "no voxel of the grid belongs to it: it is "
                                   "thinner than they are, or lies outside the ore")
        return {name: (share[n], held & (best == n)) for n, name in enumerate(names)}

    def _check_overlaps(self, solids: Mapping[str, Solid], share: np.ndarray) -> None:
        """Refuse rock types that overlap, but for those that ore.rock_order lists."""
        if len(solids) < 2:
            return
        together, = self.shapes.shares(("rocks",), [Combination("union", list(solids.values()))])
        if float((share.sum(axis=0) - together).max()) <= SLACK:
            return
        for one, other in combinations(solids, 2):
            both, = self.shapes.shares(("rocks",), [Combination("intersection", [
                solids[one], solids[other]])])
            if float(both.max()) > SLACK:
                k, j, i = np.unravel_index(int(both.argmax()), both.shape)
                where = ", ".join(f"{self.grid.centres(a)[n]:g}" for a, n in (
                    (2, i), (1, j), (0, k)))
                self.problems.add(("rocks", other, "shape"), (
                    f"overlaps rock type {quoted(one)} by {both.sum() * self.grid.voxel_volume:.4g}"
                    f" m3, as at ({where}) m; cut one at the other, or say which comes first: "
                    f"ore.rock_order = [{quoted(one)}, {quoted(other)}]"))
        raise MissingValue


class RockValues:
    """Values of voxels that differ between rock types; problems go to `problems`."""

    def __init__(self, ground: Ground, sources: SourceReader, problems: Problems):
        self.ground, self.sources, self.problems = ground, sources, problems

    def given(self, *keys: str) -> dict[str, Any]:
        """Return {rock type: its source} of those that give a key, such as "minerals", "calcite".
        """
        out = {}
        for name, entry in self.ground.entries.items():
            value: Any = getattr(entry, keys[0])
            for key in keys[1:]:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                out[name] = value
        return out

    def rest(self, names: Sequence[str] | Mapping[str, Any]) -> np.ndarray:
        """Return the active voxels (nz, ny, nx) of no one of these rock types."""
        active = self.ground.active
        out = np.ones(self.sources.grid.shape, bool) if active is None else active.copy()
        for name in names:
            out &= ~self.ground.masks[name]
        return out

    def field(self, path: KeyPath, source: Any, kind: QuantityKind, *keys: str) -> Any:
        """Return the values (nz, ny, nx) of a source of [ore], with those of the rock types.

        source: None where only rock types give it, which then have to fill the ore. keys: of the
        rock types. MISSING where a value is wrong.
        """
        given = self.given(*keys)
        base = None if source is None else self.sources.field(path, source, kind)
        if not given:
            return base
        rest = self.rest(given)
        if base is None and rest.any():
            without = [name for name in self.ground.masks if name not in given]
            self.problems.add(path, f"is missing in {rest.sum()} voxels, the first at "
                              f"{self.sources.place(rest)}: " + (
                                  f"rock types {', '.join(map(quoted, without))} and " * bool(
                                      without)) + "ore of no type take it from here; write e.g. "
                              f"{path[-1]} = {kind.example!r}")
            return MISSING
        found = {name: self.sources.field(("rocks", name, *keys), value, kind)
                 for name, value in given.items()}
        if base is MISSING or any(values is MISSING for values in found.values()):
            return MISSING
        out = np.array(next(iter(found.values())) if base is None else base, float)
        for name, values in found.items():
            mask = self.ground.masks[name]
            out[mask] = values[mask]
        return out
