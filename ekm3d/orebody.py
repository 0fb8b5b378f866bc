"""The ore body: rock and inventory of every voxel, from constants, layers, tables and samples.

A value of the ore is given as one of four sources:

    0.45                                          the same everywhere
    {layers = [{bottom, top, value}, ...]}        by height above the block's bottom; a voxel
                                                  across two layers takes their mean by thickness
    {table = "t.csv", column = "c"}               one row per voxel with its centre x, y, z
    {samples = "s.csv", column = "c"}             scattered samples, interpolated

Amounts are per kg of dry ore where they are written, and per m3 of bulk ore in `OreBody`.
"""

from dataclasses import dataclass, field

import numpy as np

from ekm3d.casetext import UNREAD, Unread, suggest
from ekm3d.schema import LayersSource, SamplesSource, TableSource, parse
from ekm3d.sheet import Sheet
from ekm3d.units import Kind, not_negative, per_kg, positive

ROCK = {    # key in [ore] -> attribute of OreBody, what it may be
    "density": ("density", positive("kg/m3", "1500 kg/m3")),
    "porosity": ("porosity", Kind("", "0.45", 0.0, 1.0, above=True)),
    "water_content": ("water_content", Kind("", "0.42", 0.0, 1.0, above=True)),
    "tortuosity": ("tortuosity", Kind("", "0.67", 0.0, 1.0, above=True)),
    "permeability": ("hydraulic_conductivity", positive("m/s", "3.5e-7 m/s")),
    "electroosmotic_permeability": ("electroosmosis", Kind("m2/V/s", "1.5e-8 m2/V/s")),
    "dispersivity": ("dispersivity", not_negative("m", "5 cm")),
}
SITES = not_negative("eq/kg", "65 meq/kg")
SOURCES = {"layers": LayersSource, "table": TableSource, "samples": SamplesSource}


@dataclass(frozen=True)
class OreBody:
    """Ore data as float64 arrays (nz, ny, nx), without ghosts.

    Where `cec` is given and exceeds the charge of `exchangeable`, protons hold the rest.
    """

    density: np.ndarray                  # kg of dry ore per m3
    porosity: np.ndarray
    water_content: np.ndarray            # m3 of water per m3 of bulk
    tortuosity: np.ndarray               # diffusion in the ore / diffusion in water, per water
    hydraulic_conductivity: np.ndarray   # m/s
    electroosmosis: np.ndarray           # m2/V/s, water flux per field, towards the cathode
    dispersivity: np.ndarray             # m
    cec: np.ndarray                      # eq per m3 of bulk at the reference pH
    cec_slope: np.ndarray                # eq per m3 of bulk and pH unit
    exchangeable: dict = field(default_factory=dict)   # component -> mol per m3 of bulk
    minerals: dict = field(default_factory=dict)       # mineral -> mol per m3 of bulk
    reference_pH: float = 7.0


def layered(grid, layers):
    """(nz, ny, nx) values of layers [(bottom, top, value)], heights above the block's bottom [m].

    Overlap-weighted mean, so that an inventory does not depend on the spacing. ValueError where
    the layers overlap or do not cover the block from bottom to top.
    """
    height, slack, reached = grid.size[2], 1e-9 * grid.size[2], 0.0
    for bottom, top, _ in sorted(layers):
        if top <= bottom:
            raise ValueError(f"a layer's top ({top:g} m) must lie above its bottom ({bottom:g} m)")
        if abs(bottom - reached) > slack and bottom < height:
            what = "a gap" if bottom > reached else "an overlap"
            low, high = sorted((bottom, reached))
            raise ValueError(f"the layers leave {what} between {low:g} and {high:g} m; each must "
                             "begin where the one below ends, the lowest at 0 m")
        reached = top
    if reached < height - slack:
        raise ValueError(f"the layers end at {reached:g} m but the block is {height:g} m high")
    edges = np.arange(grid.cells[2] + 1) * grid.spacing[2]
    profile = np.zeros(grid.cells[2])
    for bottom, top, value in layers:
        overlap = np.minimum(edges[1:], top) - np.maximum(edges[:-1], bottom)
        profile += value * np.clip(overlap, 0.0, None) / grid.spacing[2]
    return np.broadcast_to(profile[:, None, None], grid.shape).copy()


def tabulated(grid, sheet, values):
    """(nz, ny, nx) values from a table that lists every voxel's centre once, in any order.

    ValueError names the first line that is no centre or repeats one, or a voxel not listed.
    """
    steps = (sheet.positions() - grid.origin) / grid.spacing - 0.5
    index = np.rint(np.clip(steps, -1e9, 1e9)).astype(int)
    wrong = ((np.abs(steps - index) > 1e-3) | (index < 0) | (index >= grid.cells)).any(axis=1)
    flat = np.ravel_multi_index(index[:, ::-1].T, grid.shape, mode="clip")
    order = np.argsort(flat, kind="stable")
    repeated = np.zeros(len(sheet), bool)
    repeated[order[1:]] = flat[order[1:]] == flat[order[:-1]]
    if (wrong | repeated).any():
        n = int(np.argmax(wrong | repeated))
        where = "({:g}, {:g}, {:g}) m".format(*sheet.positions()[n])
        reason = (f"{where} is not the centre of a voxel of the grid" if wrong[n] else
                  f"{where} is the voxel of line {sheet.lines[int(np.argmax(flat == flat[n]))]} "
                  "again; every voxel may be listed once")
        raise ValueError(f"{sheet.name}:{sheet.lines[n]}: {reason}")
    listed = np.zeros(grid.shape, bool)
    listed.flat[flat] = True
    if not listed.all():
        k, j, i = np.argwhere(~listed)[0]
        where = ", ".join(f"{grid.centres(a)[n]:g}" for a, n in ((2, i), (1, j), (0, k)))
        raise ValueError(f"{sheet.name} misses {np.sum(~listed)} of {listed.size} voxels, the "
                         f"first at ({where}) m")
    result = np.empty(grid.shape)
    result.flat[flat] = values
    return result


def interpolated(points, values, where):
    """Values at `where` (n, 3) from samples at `points` (m, 3): kriging, exact at the samples.

    Radial basis functions -r with a constant: ordinary kriging with a linear variogram, which
    has no range or sill to choose. Where its weights overshoot, the result is cut to the range
    of the samples, so that it is never negative if they are not.
    """
    if len(points) == 1 or np.ptp(values) == 0.0:
        return np.full(len(where), values[0])
    from scipy.interpolate import RBFInterpolator     # imported here: it costs 0.8 s

    neighbours = None if len(points) <= 1000 else 64
    model = RBFInterpolator(points, values, neighbors=neighbours, kernel="linear", degree=0)
    return np.clip(model(where), values.min(), values.max())


class OreReader:
    """Reads [ore] and the exchanger onto a grid; problems go to `problems`."""

    def __init__(self, grid, chem, directory, problems):
        self.grid, self.chem, self.directory, self.problems = grid, chem, directory, problems
        self.sheets = {}

    def read(self, ore, exchanger):
        """The OreBody of a validated [ore] and [chemistry.exchanger]."""
        rock = {attribute: self.field(("ore", key), getattr(ore, key), kind)
                for key, (attribute, kind) in ROCK.items()}
        self.problems.attempt(self._room_for_water, rock["water_content"], rock["porosity"])
        exchangeable = self.problems.attempt(self._exchangeable, ore.exchangeable)
        minerals = self.problems.attempt(self._minerals, ore.minerals)
        slope = self.field(("chemistry", "exchanger", "variable_charge"),
                           exchanger.variable_charge, SITES)
        sites = None
        if exchanger.cec != "from inventory":
            sites = self.field(("chemistry", "exchanger", "cec"), exchanger.cec, SITES)
        cec = self.problems.attempt(self._cec, sites, exchangeable)
        density = rock["density"]
        return OreBody(**rock, cec=cec * density, cec_slope=slope * density,
                       exchangeable={k: v * density for k, v in exchangeable.items()},
                       minerals={k: v * density for k, v in minerals.items()},
                       reference_pH=exchanger.reference_pH)

    def field(self, path, source, kind):
        """(nz, ny, nx) of one source in SI, or UNREAD."""
        try:
            if source is UNREAD:
                return UNREAD
            if not isinstance(source, dict):
                value = kind.read(source)
                return np.full(self.grid.shape, value)
            chosen = [SOURCES[key] for key in source if key in SOURCES]
            if len(chosen) != 1:
                raise ValueError("should be a constant, or a table that holds one of layers, "
                                 "table, samples")
            spec = parse(chosen[0], source, self.problems, path)
            if chosen[0] is LayersSource:
                return self._layers(path, spec.layers, kind)
            if chosen[0] is TableSource:
                sheet = self.sheet(spec.table)
                return tabulated(self.grid, sheet, sheet.values(spec.column, kind, spec.unit))
            return self._samples(spec, kind)
        except ValueError as e:
            self.problems.add(path, str(e))
            return UNREAD
        except Unread:
            return UNREAD

    def sheet(self, name):
        """The CSV file of that name in the case directory, read once."""
        if name not in self.sheets:
            self.sheets[name] = Sheet(self.directory / name)
        return self.sheets[name]

    def _layers(self, path, layers, kind):
        read = []
        for n, layer in enumerate(layers):
            try:
                read.append((layer.bottom, layer.top, kind.read(layer.value)))
            except ValueError as e:
                self.problems.add((*path, "layers", n, "value"), str(e))
        if len(read) < len(layers):
            raise Unread
        return layered(self.grid, read)

    def _samples(self, spec, kind):
        sheet = self.sheet(spec.samples)
        values = sheet.values(spec.column, kind, spec.unit)
        points = sheet.inside(self.grid)
        _, first, count = np.unique(points, axis=0, return_index=True, return_counts=True)
        if (count > 1).any():
            line = sheet.lines[first[np.argmax(count > 1)]]
            raise ValueError(f"{sheet.name}:{line}: another sample has the same place")
        z, y, x = (self.grid.centres(axis) for axis in (0, 1, 2))
        where = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1).reshape(-1, 3)
        origin = np.array(self.grid.origin)
        return interpolated(points - origin, values, where - origin).reshape(self.grid.shape)

    def _room_for_water(self, water, porosity):
        over = water > porosity * (1 + 1e-12)
        if over.any():
            k, j, i = np.argwhere(over)[0]
            where = ", ".join(f"{self.grid.centres(a)[n]:g}" for a, n in ((2, i), (1, j), (0, k)))
            self.problems.add(("ore", "water_content"),
                              f"{water[k, j, i]:g} is above the porosity {porosity[k, j, i]:g} in "
                              f"{over.sum()} of {over.size} voxels, the first at ({where}) m; it "
                              "must not exceed the porosity")

    def _exchangeable(self, table):
        """{component: mol per kg of dry ore}"""
        chem, amounts = self.chem, {}
        for name, source in table.items():
            path = ("ore", "exchangeable", name)
            if name not in chem.components + chem.labels:
                self.problems.add(path, "unknown component"
                                  + suggest(name, chem.components + chem.labels))
                continue
            n = chem.index(name)
            if chem.components[n] in amounts:
                self.problems.add(path, f"{chem.components[n]} is given twice, by name and label")
            elif chem.charge[n] <= 0:
                self.problems.add(path, f"{chem.components[n]} has charge {chem.charge[n]:g}; only "
                                  "cations can be exchangeable")
            elif not (chem.nu_x[:, n] > 0).any():
                self.problems.add(path, f"the database has no exchange reaction for "
                                  f"{chem.components[n]}; exchangeable can be "
                                  + ", ".join(c for k, c in enumerate(chem.components)
                                              if (chem.nu_x[:, k] > 0).any()))
            else:
                kind = per_kg(chem.charge[n], chem.molar_mass[n])
                amounts[chem.components[n]] = self.field(path, source, kind)
        return amounts

    def _minerals(self, table):
        """{mineral: mol per kg of dry ore}"""
        amounts = {}
        for name, source in table.items():
            if name not in self.chem.minerals:
                self.problems.add(("ore", "minerals", name),
                                  "unknown mineral" + suggest(name, self.chem.minerals))
                continue
            amounts[name] = self.field(("ore", "minerals", name), source, per_kg())
        return amounts

    def _cec(self, sites, exchangeable):
        """eq per kg: `sites`, or the charge of the inventory where that is None."""
        charge = sum((self.chem.charge[self.chem.index(name)] * n
                      for name, n in exchangeable.items()), np.zeros(self.grid.shape))
        if sites is None:
            return charge
        over = charge > sites * (1 + 1e-9)
        if over.any():
            k, j, i = np.argwhere(over)[0]
            self.problems.add(("chemistry", "exchanger", "cec"),
                              f"{1e3 * sites[k, j, i]:g} meq/kg cannot hold the exchangeable "
                              f"inventory of {1e3 * charge[k, j, i]:g} meq/kg; give more, or "
                              "\"from inventory\"")
        return sites
