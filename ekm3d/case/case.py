"""A case: a directory with case.toml and the files it names, as checked plain data in SI units.

    case = Case.read("cases/field_block", overrides=["grid.spacing=5 cm"])

`CaseError` lists everything that is wrong, one line per problem:
`case.toml:LINE: key: what is wrong, what would be right`.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ekm3d.case.chemistry import read_chemistry
from ekm3d.case.cross_checks import check
from ekm3d.case.kinetics import RateReader, Rates
from ekm3d.case.layout import Builder, ElectrodeData
from ekm3d.case.medium import Response, ResponseReader, read_mobility
from ekm3d.case.ore import OreBody, OreReader
from ekm3d.case.report import description
from ekm3d.case.schedule import ScheduleData, StageReader
from ekm3d.case.schema import CaseFile
from ekm3d.case.sides import SideReader
from ekm3d.case.toml_tables import parse
from ekm3d.case.toml_text import MISSING, CaseError, MissingValue, load
from ekm3d.case.voxel_values import Sources
from ekm3d.case.water import WaterData, read_water
from ekm3d.chemistry.diffusion import with_factors
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.grid.grid import Grid

MOST_VOXELS = 200_000_000


@dataclass(frozen=True)
class Physics:
    """Which processes take part, and how concentrations at faces are found."""

    potential: bool = True
    flow: bool = True
    transport: bool = True
    chemistry: bool = True      # False: what is dissolved is all there is
    scheme: str = "blended"     # blended | upwind
    skip: float = 0.0           # voxels whose totals moved by no more keep their equilibrium


@dataclass(frozen=True)
class Output:
    snapshot_every: float   # s
    series_every: float     # s
    mode: str = "gathered"  # one file, or one of each process beside it: "per-rank"


@dataclass(frozen=True)
class Case:
    """Everything a simulation needs to know; lengths in m, times in s, amounts in mol."""

    path: Path
    text: str               # of case.toml, as it is
    overrides: tuple        # "key=value", in the order of application
    title: str
    description: str
    physics: Physics
    grid: Grid
    chemistry: ChemicalSystem
    ore: OreBody
    water: WaterData
    electrodes: ElectrodeData
    wells: tuple
    sides: tuple
    schedule: ScheduleData
    sampling: tuple
    probes: tuple
    output: Output
    rates: Rates            # of what is not at equilibrium
    response: Response      # of the medium, or None
    mobility: dict          # species -> factor on its diffusion and that of its complexes

    @classmethod
    def read(cls, path, overrides=()):
        """The case in directory `path`, with "key=value" overrides; CaseError if it is wrong."""
        directory = Path(path)
        text = _text(directory)
        data, problems = load(text, overrides)
        file = parse(CaseFile, data, problems)
        attempt = problems.attempt
        physics = attempt(_physics, file)
        grid = attempt(_grid, file, problems)
        chem = attempt(read_chemistry, file, directory, problems)
        factors = attempt(read_mobility, file, chem, problems)
        chem = attempt(with_factors, chem, factors)
        sources = Sources(grid, directory, problems)
        ore = attempt(_ore, file, OreReader(chem, sources, problems))
        build = Builder(grid, chem, directory, problems)
        electrodes = attempt(build.electrodes, file.electrodes)
        rows = attempt(_rows, file, electrodes)
        schedule = attempt(StageReader(rows, problems).read, file.schedule)
        attempt(build.overlaps, electrodes, schedule)
        case = cls(
            path=directory, text=text, overrides=tuple(overrides),
            title=file.title, description=file.description.strip(), physics=physics,
            grid=grid, chemistry=chem,
            ore=ore,
            water=attempt(read_water, file.water, chem, sources, problems),
            electrodes=electrodes, schedule=schedule,
            wells=attempt(build.wells, file.well, rows),
            sides=attempt(SideReader(chem, sources, problems).read, file.side),
            sampling=attempt(build.sampling, file.sampling),
            probes=attempt(build.probes, file.probe),
            output=attempt(_output, file),
            rates=attempt(_rates, file, ore, RateReader(chem, sources, problems)),
            response=attempt(ResponseReader(chem, problems).read, file),
            mobility=factors)
        check(case, problems)
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
        def moles(amount, per=1.0):
            return float(np.sum(amount * per) * self.grid.voxel_volume)

        return {name: (moles(self.ore.exchangeable.get(name, 0.0)),
                       moles(self.water.prewetting.get(name, 0.0), self.ore.density),
                       moles(self.water.composition.get(name, 0.0), self.ore.water_content))
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
        raise MissingValue
    return Grid(tuple(cells), tuple(spacing), tuple(file.grid.origin))


def _rows(file, electrodes):
    """{name: Row} of all rows; Row may be UNREAD."""
    entries = file.electrodes.row if file.electrodes is not None else ()
    return {entry.name: row for entry, row in zip(entries, electrodes.rows)
            if entry.name is not MISSING}


def _physics(file):
    """The Physics of [physics]."""
    return Physics(*(getattr(file.physics, f.name) for f in fields(Physics)))


def _output(file):
    """The Output of [output]."""
    return Output(*(getattr(file.output, f.name) for f in fields(Output)))


def _ore(file, reader):
    prewetted = bool(file.water is not MISSING and file.water.prewetting)
    return reader.read(file.ore, file.chemistry, file.physics.flow, prewetted)


def _rates(file, ore, reader):
    return reader.read(file, ore.density)
