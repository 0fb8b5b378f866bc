"""Case: a directory with case.toml and the files it names, as checked plain data in SI units.

    case = Case.read("cases/field_block", overrides=["grid.spacing=5 cm"])

`CaseError` lists everything that is wrong, one line per problem:
`case.toml:LINE: key: what is wrong, what would be right`.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.block_models import BlockModels
from ekm3d.case.case_data import CaseData
from ekm3d.case.case_files import CaseFiles
from ekm3d.case.changes import record
from ekm3d.case.chemistry import read_chemistry
from ekm3d.case.cross_checks import check
from ekm3d.case.drill_holes import DrillHoleSets
from ekm3d.case.electrodes import ElectrodeData, ElectrodeReader, Row, rows_by_name
from ekm3d.case.extends import bases, case_text
from ekm3d.case.geometry import check_geometry
from ekm3d.case.ground import BoundaryReader, GroundBoundary
from ekm3d.case.kinetics import RateReader, Rates
from ekm3d.case.medium import ResponseReader
from ekm3d.case.mobility import read_mobility
from ekm3d.case.ore import OreBody, OreReader
from ekm3d.case.points import PointReader
from ekm3d.case.problems import MISSING, CaseError, MissingValue, Problems
from ekm3d.case.readings import Reading, readings, warn
from ekm3d.case.report import description
from ekm3d.case.rocks import Ground, GroundReader
from ekm3d.case.schedule import StageReader
from ekm3d.case.schema import CaseFile
from ekm3d.case.shapes import ShapeReader
from ekm3d.case.sides import SideReader
from ekm3d.case.surfaces import SurfaceReader
from ekm3d.case.toml_tables import parse
from ekm3d.case.toml_text import key_lines, load
from ekm3d.case.voxel_values import SourceReader
from ekm3d.case.water import read_water
from ekm3d.case.wells import Well, WellReader
from ekm3d.chemistry.diffusion import with_factors
from ekm3d.grid.georeference import GeoReference
from ekm3d.grid.grid import Grid
from ekm3d.quoting import quoted
from ekm3d.regular_file import Folders

MAX_VOXELS = 200_000_000
LEAST_SHARE = 0.5       # of a voxel in a shape
COLUMNS = 5             # lines across a voxel; an odd number, so that a side through half counts


@dataclass(frozen=True)
class Case(CaseData):
    """Case that is read from a directory, and described.

    warnings: what is computed and may not be what was meant, one line each, with its place;
    digests: {name: SHA-256} of the files in the directory, in those of cases that it extends, and
    of those that it reads elsewhere (`folders`), as they were read.
    """

    warnings: tuple[str, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path, overrides: Iterable[str] = ()) -> "Case":
        """Return the case in directory `path`, with "key=value" overrides applied.

        Raises CaseError, which lists all problems, if the case is wrong.
        """
        directory, overrides = Path(path), tuple(overrides)
        files, found = CaseFiles(directory, bases(directory)), case_text(directory)
        data, problems = load(found.text, overrides)
        if found.bases:
            problems.lines, problems.places = key_lines(found.own), found.places
        file = parse(CaseFile, data, problems)
        if data.get("extends") is not None:
            problems.add(("extends",), "is read from case.toml alone; it cannot be given here")
        attempt = problems.attempt
        folders = _folders(file, directory, found.bases, problems, files)
        grid = attempt(_grid, file, problems)
        database = attempt(read_chemistry, file, folders, problems)
        chem, remarks = (MISSING, ()) if database is MISSING else database
        factors = attempt(read_mobility, file, chem, problems)
        chem = attempt(with_factors, chem, factors)
        reference = attempt(_reference, file)
        models = BlockModels(attempt(lambda: file.block_model), grid, folders, problems, reference)
        holes = DrillHoleSets(attempt(lambda: file.drill_holes), folders, problems, reference)
        sources = SourceReader(grid, folders, problems, models, holes,
                               attempt(lambda: file.ore.realisation))
        ground = attempt(_ground, file, grid, folders, reference, models, problems)
        sources.active = attempt(lambda: ground.active)
        ore = attempt(_ore, file, OreReader(chem, sources, problems, ground))
        electrode_reader = ElectrodeReader(grid, problems)
        electrodes = attempt(electrode_reader.read, file.electrodes)
        rows = attempt(_rows, file, electrodes)
        schedule = attempt(StageReader(rows, problems).read, file.schedule)
        attempt(electrode_reader.check_overlaps, electrodes, schedule)
        attempt(electrode_reader.check_deposition, electrodes, chem)
        attempt(electrode_reader.check_treatment, electrodes, chem)
        attempt(electrode_reader.check_capture, electrodes, chem)
        wells = WellReader(grid, chem, problems)
        boundaries = BoundaryReader(chem, sources, problems)
        points = PointReader(grid, folders, problems)
        case = cls(
            path=directory, text=found.text, overrides=overrides,
            title=file.title, description=attempt(lambda: file.description.strip()),
            physics=file.physics,
            grid=grid, reference=reference, chemistry=chem, ore=ore,
            water=attempt(read_water, file.water, chem, sources, problems, ground),
            electrodes=electrodes, schedule=schedule,
            wells=attempt(wells.read, file.well, rows),
            stage_wells=attempt(_stage_wells, file, wells),
            boundaries=attempt(boundaries.read, file.boundary),
            stage_boundaries=attempt(_stage_boundaries, file, boundaries),
            sides=attempt(SideReader(chem, sources, problems).read, file.side),
            sampling=attempt(points.sampling, file.sampling),
            probes=attempt(points.probes, file.probe),
            output=file.output,
            rates=attempt(_rates, file, ore, RateReader(chem, sources, problems)),
            response=attempt(ResponseReader(chem, problems).read, file),
            mobility=factors, remarks=remarks, start=attempt(_start, file, directory),
            readings=attempt(_readings, sources, ore), bases=found.bases)
        sources.close()
        check(case, problems)
        problems.raise_if_any()
        check_geometry(case, problems)          # of boxes that lie in the block, apart
        problems.raise_if_any()
        warn(case.readings, problems)
        if changed := files.changed():
            raise CaseError([f"{directory}: {', '.join(changed)} changed while the case was read; "
                             "try again"])
        return replace(case, warnings=problems.warnings, digests=files.digests)

    def record(self) -> dict[str, Any]:
        """Return what a later version of the case is compared with, see `changes`."""
        return record(self)

    def describe(self) -> str:
        """Return the resolved case in SI units, as aligned text."""
        return description(self)


def _folders(file: CaseFile, directory: Path, bases: Sequence[Path], problems: Problems,
             files: CaseFiles) -> Folders:
    """Return the folders whose files the case may read: its own, and those of `folders`.

    bases: directories of the cases that it extends, in which files are looked for as well; files:
    takes those that are used.
    """
    others = []
    for n, name in enumerate(() if file is MISSING or file.folders is MISSING else file.folders):
        if name is MISSING:
            continue
        if "\0" in name or not os.path.isdir(directory / name):
            problems.add(("folders", n), f"there is no directory {quoted(name)}; name one from "
                         "that of the case, such as \"../tables\"")
        else:
            others.append(name)
    return Folders(directory, others, problems.given, bases, files.take)


def _grid(file: CaseFile, problems: Problems) -> Grid:
    """Return the Grid of [grid], a whole number of voxels along every axis.

    Where the spacing does not divide the block it is one that does, so that all that lies in the
    block is not found outside as well.
    """
    size, spacing = file.grid.size, list(file.grid.spacing)
    cells: list[int] = []
    for axis, length, d in zip("xyz", size, spacing, strict=True):
        n = max(round(length / d), 1)
        if abs(n * d - length) > 1e-6 * d:
            low = max(int(length / d), 1)
            problems.add(("grid", "spacing"), f"{length:g} m along {axis} is not a whole number of "
                         f"voxels of {d:g} m; a size of {low * d:g} or {(low + 1) * d:g} m would "
                         f"be, or a spacing of {length / low:g} or {length / (low + 1):g} m")
            spacing[len(cells)] = length / n
        cells.append(n)
    if np.prod(cells, dtype=float) > MAX_VOXELS:
        problems.add(("grid", "spacing"), f"{' x '.join(map(str, cells))} voxels are more than "
                     f"the {MAX_VOXELS:,} that this program takes; use a coarser spacing")
        raise MissingValue
    return Grid(tuple(cells), tuple(spacing), tuple(file.grid.origin))


def _reference(file: CaseFile) -> GeoReference:
    """Return the place of the block in real space."""
    grid = file.grid
    place = grid.real_origin
    return GeoReference(tuple(grid.origin), place, grid.rotation or 0.0, grid.crs or "")


def _ground(file: CaseFile, grid: Grid, folders: Folders, reference: GeoReference,
            models: BlockModels, problems: Problems) -> Ground:
    """Return the active voxels and the rock types."""
    share = LEAST_SHARE if file.grid.least_share is None else file.grid.least_share
    surfaces = SurfaceReader(file.surfaces, folders, reference, problems)
    shapes = ShapeReader(grid, file.shapes, surfaces, share, file.grid.columns or COLUMNS,
                         problems, models)
    return GroundReader(shapes, problems).read(file.ore, file.rocks)


def _rows(file: CaseFile, electrodes: ElectrodeData) -> dict[str, Row]:
    """Return {name: Row} of all rows; a Row may be MISSING."""
    return rows_by_name(file.electrodes, electrodes.rows)


def _stage_wells(file: CaseFile, reader: WellReader) -> tuple[tuple[Well | None, ...], ...]:
    """Return the wells in every stage of [schedule]."""
    return reader.read_stages(file.schedule.stage, file.well)


def _stage_boundaries(file: CaseFile, reader: BoundaryReader
                      ) -> tuple[tuple[GroundBoundary | None, ...], ...]:
    """Return the boundaries in every stage of [schedule]."""
    return reader.read_stages(file.schedule.stage, file.boundary)


def _start(file: CaseFile, directory: Path) -> Path | None:
    """Return the directory of [start], which is named from that of the case."""
    return directory / file.start.run if file.start else None


def _ore(file: CaseFile, reader: OreReader) -> OreBody:
    """Return the OreBody of [ore] and [chemistry]."""
    prewetted = bool(file.water is not MISSING and file.water.prewetting)
    return reader.read(file.ore, file.chemistry, file.physics.flow, prewetted,
                       file.physics.unsaturated)


def _readings(sources: SourceReader, ore: OreBody) -> tuple[Reading, ...]:
    """Return what was read from the mine's files against what the grid holds."""
    return readings(sources.blocks, sources.sampled, ore.density, sources.made, sources.active)


def _rates(file: CaseFile, ore: OreBody, reader: RateReader) -> Rates:
    """Return the Rates of [[chemistry.kinetics]] and [ore.immobile]."""
    return reader.read(file, ore.density)
