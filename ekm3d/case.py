"""A case: a directory with case.toml and the files it names, as checked plain data in SI units.

    case = Case.read("cases/field_block", overrides=["grid.spacing=5 cm"])

`CaseError` lists everything that is wrong, one line per problem:
`case.toml:LINE: key: what is wrong, what would be right`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ekm3d.casereport import description
from ekm3d.casetext import UNREAD, CaseError, Unread, load, suggest
from ekm3d.database import Chemistry, read_database
from ekm3d.grid import Grid
from ekm3d.layout import Builder, ElectrodeData, ScheduleData, composition
from ekm3d.orebody import OreBody, OreReader
from ekm3d.schema import CaseFile, parse
from ekm3d.units import per_kg

MOST_VOXELS = 200_000_000


@dataclass(frozen=True)
class WaterData:
    composition: dict       # component -> mol/m3 of the pore water before prewetting
    prewetting: dict        # component -> mol per kg of dry ore


@dataclass(frozen=True)
class Output:
    snapshot_every: float   # s
    series_every: float     # s


@dataclass(frozen=True)
class Case:
    """Everything a simulation needs to know; lengths in m, times in s, amounts in mol."""

    path: Path
    text: str               # of case.toml, as it is
    overrides: tuple        # "key=value", in the order of application
    title: str
    description: str
    grid: Grid
    chemistry: Chemistry
    ore: OreBody
    water: WaterData
    electrodes: ElectrodeData
    wells: tuple
    schedule: ScheduleData
    sampling: tuple
    probes: tuple
    output: Output

    @classmethod
    def read(cls, path, overrides=()):
        """The case in directory `path`, with "key=value" overrides; CaseError if it is wrong."""
        directory = Path(path)
        text = _text(directory)
        data, problems = load(text, overrides)
        file = parse(CaseFile, data, problems)
        attempt = problems.attempt
        grid = attempt(_grid, file, problems)
        chem = attempt(_chemistry, file, directory, problems)
        build = Builder(grid, chem, directory, problems)
        electrodes = attempt(build.electrodes, file.electrodes)
        rows = attempt(_rows, file, electrodes)
        schedule = attempt(build.schedule, file.schedule, rows)
        attempt(build.overlaps, electrodes, schedule)
        attempt(_acidity, chem, electrodes, problems)
        case = cls(
            path=directory, text=text, overrides=tuple(overrides),
            title=file.title, description=file.description.strip(),
            grid=grid, chemistry=chem,
            ore=attempt(_ore, file, OreReader(grid, chem, directory, problems)),
            water=attempt(_water, file, chem, problems),
            electrodes=electrodes, schedule=schedule,
            wells=attempt(build.wells, file.well, rows),
            sampling=attempt(build.sampling, file.sampling),
            probes=attempt(build.probes, file.probe),
            output=attempt(lambda: Output(file.output.snapshot_every, file.output.series_every)))
        problems.raise_if_any()
        return case

    @property
    def mass(self):
        """Dry ore in the block [kg]."""
        return float(self.ore.density.sum() * self.grid.voxel_volume)

    @property
    def pore_volume(self):
        """Pores of the block [m3]."""
        return float(self.ore.porosity.sum() * self.grid.voxel_volume)

    def inventory(self):
        """{component: mol in the block} exchangeable, by prewetting and in the first pore water."""
        volume = self.grid.voxel_volume
        water = float(self.ore.water_content.sum() * volume)
        return {name: (float(np.sum(self.ore.exchangeable.get(name, 0.0)) * volume),
                       self.water.prewetting.get(name, 0.0) * self.mass,
                       self.water.composition.get(name, 0.0) * water)
                for name in self.chemistry.components}

    def describe(self):
        """The resolved case in SI units, as aligned text."""
        return description(self)


def _text(directory):
    """The text of case.toml."""
    file = directory / "case.toml"
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as e:
        line = e.object.count(b"\n", 0, e.start) + 1
        raise CaseError([f"case.toml:{line}: byte 0x{e.object[e.start]:02x} is not UTF-8 text; "
                         "save the file as UTF-8"]) from None
    except (OSError, ValueError) as e:
        if directory.is_file():
            reason = "it is a file; give the directory that holds case.toml"
        elif not directory.is_dir():
            reason = "there is no such directory"
        elif not file.exists():
            reason = "there is no case.toml in it"
        else:
            reason = f"case.toml cannot be read: {getattr(e, 'strerror', None) or e}"
        raise CaseError([f"{directory}: not a case: {reason}"]) from None


def _grid(file, problems):
    """The Grid of [grid]: a whole number of voxels along every axis."""
    size, spacing = file.grid.size, file.grid.spacing
    cells = []
    for axis, length, d in zip("xyz", size, spacing):
        n = max(round(length / d), 1)
        if abs(n * d - length) > 1e-6 * d:
            low = max(int(length / d), 1)
            problems.add(("grid", "spacing"), f"{length:g} m along {axis} is not a whole number of "
                         f"voxels of {d:g} m; a size of {low * d:g} or {(low + 1) * d:g} m would "
                         f"be, or a spacing of {length / low:g} or {length / (low + 1):g} m")
        cells.append(n)
    if np.prod(cells, dtype=float) > MOST_VOXELS:
        problems.add(("grid", "spacing"), f"{' x '.join(map(str, cells))} voxels are more than "
                     f"the {MOST_VOXELS:,} that this program takes; use a coarser spacing")
        raise Unread
    return Grid(tuple(cells), tuple(spacing), tuple(file.grid.origin))


def _chemistry(file, directory, problems):
    """The Chemistry of the database, narrowed to what [chemistry] names.

    Where that cannot be done it is the whole database, so that the other checks go on.
    """
    choice = file.chemistry
    try:
        path = directory / choice.database
        whole = read_database(path)
    except OSError as e:
        problems.add(("chemistry", "database"), f"cannot read {choice.database!r}: {e.strerror}; "
                     "name a file in the case directory")
        raise Unread from None
    except ValueError as e:
        for line in str(e).splitlines():
            problems.add(("chemistry", "database"), line)
        raise Unread from None
    labels = dict(zip(whole.labels, whole.components))
    components = problems.attempt(_chosen, "components", choice, whole, problems, labels)
    minerals = problems.attempt(_chosen, "minerals", choice, whole, problems)
    if components is UNREAD or minerals is UNREAD:
        return whole
    try:
        return read_database(path, components, minerals)
    except ValueError as e:
        for line in str(e).splitlines():
            problems.add(("chemistry",), line)
        return whole


def _chosen(key, choice, whole, problems, labels=None):
    """The names of components or minerals as the database has them; None: all of it."""
    names, known = getattr(choice, key), getattr(whole, key)
    if names is None:
        return None
    chosen = []
    for n, name in enumerate(names):
        full = name if name in known else (labels or {}).get(name)
        if full is None:
            problems.add(("chemistry", key, n), f"the database has no {key[:-1]} {name!r}"
                         + suggest(name, known))
        elif full in chosen:
            problems.add(("chemistry", key, n), f"{name!r} is named twice")
        chosen.append(full)
    if None in chosen or len(set(chosen)) < len(chosen):
        raise Unread
    return chosen


def _rows(file, electrodes):
    """{name: Row} of all rows; Row may be UNREAD."""
    entries = file.electrodes.row if file.electrodes is not None else ()
    return {entry.name: row for entry, row in zip(entries, electrodes.rows)
            if entry.name is not UNREAD}


def _acidity(chem, electrodes, problems):
    if electrodes.rows and chem.hydrogen is None:
        problems.add(("chemistry", "components"), "H+ is missing; electrodes turn current into "
                     "acid and base, so a case with electrodes needs it")


def _ore(file, reader):
    return reader.read(file.ore, file.chemistry.exchanger)


def _water(file, chem, problems):
    pore = problems.attempt(composition, file.water.composition, ("water", "composition"), chem,
                            problems)
    added = problems.attempt(composition, file.water.prewetting, ("water", "prewetting"), chem,
                             problems, per_kg)
    return WaterData(pore, added)
