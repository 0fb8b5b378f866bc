"""Schema of the mine's own files in case.toml: block models, drill holes, variograms, sources.

The tables [[block_model]] and [[drill_holes]]; values name them by their `name`, for instance
{ block_model = "resource", column = "LA_PPM", unit = "mg/kg" }.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import QuantityKind, not_negative, positive


@dataclass(frozen=True)
class Coordinate(QuantityKind):
    """Coordinate of a mine or a map [m], which may be millions of metres."""

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest number."""
        return -1e8, 1e8


Angle = Annotated[float, BeforeValidator(QuantityKind("", "30", -360.0, 360.0).read),
                  Field(examples=["30.0"])]
ShareOfSill = Annotated[float, *quantity(QuantityKind("", "0.1", 0.0, 1.0))]
Ratio = Annotated[float, *quantity(positive("", "0.2"))]


def _lengths(kind, example):
    """Return the annotations of three lengths, or of one that is repeated."""
    def read(value):
        if not isinstance(value, list):
            return [kind.read(value)] * 3
        if len(value) != 3:
            raise ValueError(f"should hold 3 lengths, not {len(value)}")
        return [kind.read(v) for v in value]
    return BeforeValidator(read), Field(examples=[example])


Corner = Annotated[list[float], *_lengths(Coordinate("m", "500000 m"),
                                          '["500000 m", "2800000 m", "150 m"]')]
BlockSize = Annotated[list[float], *_lengths(positive("m", "5 m"), '["5 m", "5 m", "2 m"]')]
Ranges = Annotated[list[float], *_lengths(positive("m", "40 m"), '["40 m", "40 m", "5 m"]')]
CompositeLength = Annotated[float, *quantity(positive("m", "1 m"))]
Sill = Annotated[float, *quantity(not_negative("", "0.25"))]


class TextFile(Table):
    """Signs of a text file, and what stands for a missing value."""

    dialect: Literal["excel", "excel-de", "excel-tab"] = "excel"
    separator: Literal[",", ";", "tab", "space"] | None = None
    decimal: Literal[".", ","] | None = None
    missing: list[float | int | str] = [""]


class BlockModelEntry(TextFile):
    """[[block_model]]: blocks of the mine's own model."""

    name: str = Field(examples=['"resource"'])
    file: str = Field(examples=['"resource.csv"'])
    format: Literal["csv", "str", "gslib", "parquet", "omf", "vtk", "xlsx"] | None = None
    columns: list[str] | None = None
    x: str | None = None
    y: str | None = None
    z: str | None = None
    dx: str | None = None
    dy: str | None = None
    dz: str | None = None
    size: BlockSize | None = None
    length_unit: str = "m"
    coordinates: Literal["case", "real"] = "case"
    origin: Corner = [0.0, 0.0, 0.0]
    rotation: Angle = 0.0
    first: Corner | None = None
    cells: list[int] | None = None
    element: str | None = None
    fill: Any = None
    outside: Any = None


class BlockModelSource(Table):
    """Source of values: a column of a block model."""

    block_model: str
    column: str = Field(examples=['"LA_PPM"'])
    unit: str | None = None
    scale: float | int = 1.0
    missing: list[float | int | str] | None = None
    fill: Any = None
    outside: Any = None


def _ratios(value):
    """Return the ratios of the ranges to the first, or "fitted"."""
    if value == "fitted":
        return value
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError('should be the three ranges over the first, such as [1.0, 1.0, 0.2], or '
                         '"fitted"')
    return [positive("", "0.2").read(v) for v in value]


class VariogramEntry(Table):
    """Variogram: given, or fitted to the samples where it has no range."""

    model: Literal["spherical", "exponential", "gaussian"] = "spherical"
    range: Ranges | None = None
    ratios: Annotated[list[float] | Literal["fitted"] | None, BeforeValidator(_ratios)] = None
    nugget: ShareOfSill | None = None
    sill: Sill | None = None
    azimuth: Angle = 90.0
    dip: Angle = 0.0


class Interpolation(Table):
    """Interpolation between samples."""

    variogram: VariogramEntry | None = None
    transform: Literal["none", "log", "normal score"] = "none"
    parts: list[str] = []


class DrillHolesEntry(TextFile):
    """[[drill_holes]]: holes with their collars, surveys and intervals."""

    name: str = Field(examples=['"holes"'])
    collar: str = Field(examples=['"collar.csv"'])
    survey: str | None = None
    intervals: str = Field(examples=['"assay.csv"'])
    hole: str | None = None
    x: str | None = None
    y: str | None = None
    z: str | None = None
    depth: str | None = None
    azimuth: str | None = None
    dip: str | None = None
    positive: Literal["down", "up"] | None = None
    from_depth: str | None = None
    to_depth: str | None = None
    length_unit: str = "m"
    coordinates: Literal["case", "real"] = "case"
    origin: Corner = [0.0, 0.0, 0.0]
    rotation: Angle = 0.0
    composite: CompositeLength | None = None
    least: ShareOfSill = 0.5


class DrillHolesSource(Interpolation):
    """Source of values: a column of the intervals of drill holes, interpolated."""

    drill_holes: str
    column: str = Field(examples=['"LA_PPM"'])
    unit: str | None = None
    scale: float | int = 1.0
    missing: list[float | int | str] | None = None
