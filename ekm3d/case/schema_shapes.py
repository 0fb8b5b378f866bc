"""Schema of shapes and rock types in case.toml: [shapes.NAME], [surfaces.NAME] and [rocks.NAME].

A shape, or a surface, is a name or a table; tables within tables are read by `shapes` and
`surfaces`, as a table may stand wherever a name may.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import QuantityKind, RealCoordinate, positive

LENGTH = QuantityKind("m", "0.5 m")
REAL = RealCoordinate("m", "500000 m")
Length = Annotated[float, *quantity(LENGTH)]
Radius = Annotated[float, *quantity(positive("m", "1 m"))]
Coordinates = Literal["case", "real"]
Beyond = Literal["refuse", "nearest"]


def _point(count, kind=LENGTH):
    """Return a reader of the coordinates of a point along `count` axes [m]."""
    def read(value):
        if not isinstance(value, list) or len(value) != count:
            raise ValueError(f"should be a point, {'[x, y, z]' if count == 3 else '[x, y]'}")
        return tuple(kind.read(v) for v in value)
    return read


def _crs(value):
    """Return the text of a coordinate reference system, which VTK stores as ASCII."""
    if isinstance(value, str) and not (value.isascii() and value.isprintable()
                                       and 0 < len(value) <= 10_000):
        raise ValueError("should be one line of ASCII text, such as 'EPSG:32649'")
    return value


def _corners(value):
    """Return the corners of a polygon, at least three."""
    if not isinstance(value, list) or len(value) < 3:
        raise ValueError("should be a list of at least three corners, [[x, y], [x, y], ...]")
    return [_point(2)(corner) for corner in value]


Point = Annotated[tuple[float, float, float], BeforeValidator(_point(3)),
                  Field(examples=['["1 m", "1 m", "0 m"]'])]
RealPoint = Annotated[tuple[float, float, float], BeforeValidator(_point(3, REAL)),
                      Field(examples=['["512300 m", "2734100 m", "210 m"]'])]
Corners = Annotated[list[tuple[float, float]], BeforeValidator(_corners)]


Angle = Annotated[float, *quantity(QuantityKind("deg", "30 deg", -360.0, 360.0))]
VoxelShare = Annotated[float, *quantity(QuantityKind("", "0.5", 0.0, 1.0, above=True))]
Crs = Annotated[str, BeforeValidator(_crs), Field(examples=['"EPSG:32649"'])]
Lines = Annotated[int, Field(ge=1, le=50)]


class FormulaSurface(Table):
    """Surface: height z as an expression of x and y [m]."""

    formula: str
    unit: str = "m"


class TableSurface(Table):
    """Surface: points x, y, z of a CSV file, on a grid or scattered."""

    table: str
    coordinates: Coordinates = "case"
    beyond: Beyond = "refuse"
    dialect: Literal["excel", "excel-de", "excel-tab"] = "excel"
    separator: Literal[",", ";", "tab"] | None = None
    decimal: Literal[".", ","] | None = None


class GridSurface(Table):
    """Surface: an ESRI ASCII grid (.asc)."""

    grid: str
    coordinates: Coordinates = "case"
    beyond: Beyond = "refuse"


class MeshSurface(Table):
    """Surface: triangles of an STL, OBJ, PLY or VTP file; where they overhang, the highest."""

    mesh: str
    coordinates: Coordinates = "case"
    beyond: Beyond = "refuse"


class SphereShape(Table):
    """Sphere."""

    centre: Point
    radius: Radius


class CylinderShape(Table):
    """Cylinder of any direction; its ends are flat."""

    start: Point
    end: Point
    radius: Radius


class PolygonShape(Table):
    """Polygon in plan, extruded upwards."""

    corners: Corners
    bottom: Length
    top: Length


class MeshShape(Table):
    """Body that closed triangles enclose, of an STL, OBJ, PLY or VTP file."""

    file: str
    coordinates: Coordinates = "case"


class BlocksShape(Table):
    """Blocks of a [[block_model]]: all of them, or those with one of some texts in a column."""

    model: str
    column: str | None = None
    equals: list[str] = []


class RockEntry(Table):
    """[rocks.NAME]: a type of rock; what it does not give is that of [ore]."""

    shape: Any = Field(examples=['"upper layer"'])
    density: Any = None
    porosity: Any = None
    water_content: Any = None
    tortuosity: Any = None
    permeability: Any = None
    electroosmotic_permeability: Any = None
    dispersivity: Any = None
    conductivity: Any = None
    storage: Any = None
    cec: Any = None
    variable_charge: Any = None
    exchangeable: dict[str, Any] = {}
    minerals: dict[str, Any] = {}
    composition: dict[str, Any] | None = None
    retention: Any = None
