"""A case: a directory with case.toml and the files it names, as checked plain data in SI units.

    case = Case.read("cases/field_block", overrides=["grid.spacing=5 cm"])

`CaseError` lists everything that is wrong, one line per problem:
`case.toml:LINE: key: what is wrong, what would be right`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ekm3d.casetext import CaseError, Unread, load, suggest
from ekm3d.constants import HOUR
from ekm3d.database import Chemistry, read_database
from ekm3d.grid import Grid
from ekm3d.layout import Builder, ElectrodeData, ScheduleData, composition, prewetting
from ekm3d.orebody import OreBody, OreReader
from ekm3d.schema import CaseFile, parse

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
        grid = attempt(_grid, lambda: file.grid, problems)
        chem = attempt(_chemistry, lambda: file.chemistry, directory, problems)
        ore = attempt(lambda: OreReader(grid and grid, chem, directory, problems).read(
            file.ore, file.chemistry.exchanger))
        return cls(directory, text, tuple(overrides), file.title, file.description, grid, chem,
                   ore, None, None, (), None, (), (), None)
