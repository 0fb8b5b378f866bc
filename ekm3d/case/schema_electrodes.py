"""Schema of [electrodes] in case.toml: rows of strips, plates and rods, and what they share."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import QuantityKind, not_negative, positive

LENGTH = QuantityKind("m", "0.5 m")


def list_of(kind: QuantityKind, count: int | None = None) -> Any:
    """Return a reader of `count` quantities (None: any number); one alone is repeated."""
    def read(value):
        if not isinstance(value, list):
            return [kind.read(value)] * (count or 1)
        if len(value) != (count or len(value)) or not value:
            raise ValueError(f"should hold {count or 'at least one'} "
                             f"value{'s' * (count != 1)}, not {len(value)}")
        return [kind.read(v) for v in value]
    return read


def corners(value: Any) -> list[list[float]]:
    """Return two points x, y, z [m]; ValueError where they are none."""
    if not isinstance(value, list) or len(value) != 2 \
            or not all(isinstance(v, list) and len(v) == 3 for v in value):
        raise ValueError("should be two opposite corners, [[x0, y0, z0], [x1, y1, z1]]")
    return [[LENGTH.read(v) for v in corner] for corner in value]


def box_of(value: Any) -> tuple[Any, Any]:
    """Return the lower and the upper corner [m] of a box [[x0, y0, z0], [x1, y1, z1]].

    ValueError where it is none.
    """
    ends = corners(value)
    low, high = (tuple(pick(a, b) for a, b in zip(*ends, strict=True)) for pick in (min, max))
    if any(a == b for a, b in zip(low, high, strict=True)):
        raise ValueError("is a box without volume; its corners must differ in x, y and z")
    return low, high


def _boxes(value):
    """Return the boxes of a list of them."""
    if not isinstance(value, list) or not value:
        raise ValueError("should be a list of boxes, [[[x0, y0, z0], [x1, y1, z1]], ...]")
    return [box_of(box) for box in value]


def _lines(value):
    """Return the ends of a list of lines."""
    if not isinstance(value, list) or not value:
        raise ValueError("should be a list of pairs of ends, [[[x0, y0, z0], [x1, y1, z1]], ...]")
    lines = [tuple(map(tuple, corners(line))) for line in value]
    if any(start == end for start, end in lines):
        raise ValueError("has a line without length; its ends must differ")
    return lines


def _area(value):
    """Return the corners ((x0, y0), (x1, y1)) [m] of a rectangle seen from above."""
    if not isinstance(value, list) or len(value) != 2 \
            or not all(isinstance(v, list) and len(v) == 2 for v in value):
        raise ValueError("should be two opposite corners, [[x0, y0], [x1, y1]]")
    ends = [[LENGTH.read(v) for v in corner] for corner in value]
    return tuple(tuple(pick(a, b) for a, b in zip(*ends, strict=True)) for pick in (min, max))


def _deposition(value):
    """Return a rate [1/s], or {mineral: rate [1/s]}."""
    kind = not_negative("1/s", "0.034 1/s")
    if isinstance(value, dict):
        return {name: kind.read(rate) for name, rate in value.items()}
    return kind.read(value)


Saturation = Annotated[float, *quantity(positive("mol/m3", "0.014 mmol/l"))]
Velocity = Annotated[float, *quantity(positive("m/s", "1e-5 m/s"))]
Surface = Annotated[float, *quantity(positive("m2", "0.02 m2"))]
HeldPH = Annotated[float, *quantity(QuantityKind("", "5", 0.0, 14.0))]
Centres = Annotated[list[float], BeforeValidator(list_of(LENGTH)),
                    Field(examples=['["0.25 m", "0.75 m"]'])]
Corner = tuple[float, float, float]         # x, y, z [m]
Box = Annotated[tuple[Corner, Corner], BeforeValidator(box_of)]
Boxes = Annotated[list[tuple[Corner, Corner]], BeforeValidator(_boxes)]
Lines = Annotated[list[tuple[Corner, Corner]], BeforeValidator(_lines)]
Area = Annotated[tuple[tuple[float, float], tuple[float, float]], BeforeValidator(_area),
                 Field(examples=['[["0 m", "0 m"], ["30 m", "20 m"]]'])]
Length = Annotated[float, *quantity(LENGTH)]
Width = Annotated[float, *quantity(positive("m", "0.1 m"))]
Thickness = Annotated[float, *quantity(positive("m", "5 mm"))]
Tank = Annotated[float, *quantity(not_negative("m3", "2 l"))]
Overpotential = Annotated[float, *quantity(not_negative("V", "2.5 V"))]
Resistance = Annotated[float, *quantity(not_negative("ohm", "18 ohm"))]
Resistivity = Annotated[float, *quantity(not_negative("ohm m2", "0.5 ohm m2"))]
LineResistance = Annotated[float, *quantity(not_negative("ohm/m", "20 ohm/m"))]
PerCharge = Annotated[float, *quantity(not_negative("m2/C", "1e-6 m2/C"))]
PerTime = Annotated[float, *quantity(not_negative("1/s", "0.02 1/d"))]
Overvolts = Annotated[float, *quantity(not_negative("V", "0.3 V"))]
Slope = Annotated[float, *quantity(positive("V", "0.05 V"))]
Density = Annotated[float, *quantity(positive("A/m2", "1 A/m2"))]
PlateCapture = Annotated[float, *quantity(not_negative("m3/A/s", "1.84e-8 m3/(A s)"))]
Deposition = Annotated[float | dict[str, float], BeforeValidator(_deposition),
                       Field(examples=['"0.034 1/s"', '{ "Al(OH)3(a)" = "0.034 1/s" }'])]


class Strips(Table):
    """Upright strips of one row; `facing` is the axis along their thickness."""

    x: Centres
    y: Centres
    bottom: Length
    top: Length
    width: Width
    thickness: Thickness
    facing: Literal["x", "y"] = "x"


class Rods(Table):
    """Rods, wires and strips thinner than a voxel: upright, or between two ends."""

    x: Centres | None = None
    y: Centres | None = None
    bottom: Length | None = None
    top: Length | None = None
    lines: Lines | None = None
    radius: Width | None = None
    width: Width | None = None
    thickness: Thickness | None = None
    facing: Literal["x", "y", "z"] = "x"
    resistance: LineResistance = 0.0
    fed: Literal["start", "end", "both"] = "start"


class Ageing(Table):
    """Growth of the contact resistance: R (1 + charge Q/A + time t)."""

    charge: PerCharge = 0.0
    time: PerTime = 0.0


class TafelLaw(Table):
    """Overvoltage a + b ln(i / current_density) of one kind of electrode."""

    a: Overvolts = 0.0
    b: Slope
    current_density: Density


class Tafel(Table):
    """[electrodes.tafel]: overvoltage by current density, beside the overpotential."""

    anode: TafelLaw | None = None
    cathode: TafelLaw | None = None


class AirEntry(Table):
    """[electrodes.air]: a gas of the air that every catholyte takes up."""

    species: str = Field(examples=['"CO2(aq)"'])
    saturation: Saturation
    velocity: Velocity
    area: Surface


class ConditioningEntry(Table):
    """[electrodes.conditioning]: a pH at which acid holds the catholytes of cathodes."""

    pH: HeldPH
    acid: str = Field(examples=['"SO4-2"'])


class ElectrodeRow(Table):
    """[[electrodes.row]]: electrodes wired together."""

    name: str = Field(examples=['"row 1"'])
    strips: Strips | None = None
    plates: Boxes | None = None
    rods: Rods | None = None
    contact_resistance: Resistance | None = None
    contact_resistivity: Resistivity | None = None
    ageing: Ageing | None = None
    catholyte_volume: Tank | None = None


class Pattern(Table):
    """[[electrodes.pattern]]: rows of upright rods over an area, anodes and cathodes."""

    name: str = Field(examples=['"field"'])
    kind: Literal["rows", "hexagons"] = Field(examples=['"hexagons"'])
    area: Area
    spacing: Width
    row_spacing: Width | None = None
    along: Literal["x", "y"] = "y"
    bottom: Length
    top: Length
    radius: Width | None = None
    width: Width | None = None
    thickness: Thickness | None = None
    facing: Literal["x", "y"] = "x"
    resistance: LineResistance = 0.0
    fed: Literal["start", "end", "both"] = "start"
    contact_resistance: Resistance | None = None
    contact_resistivity: Resistivity | None = None
    catholyte_volume: Tank | None = None


class ElectrodeRows(Table):
    """[electrodes]: all rows and what they share."""

    overpotential: Overpotential
    contact_resistance: Resistance
    contact_resistivity: Resistivity = 0.0
    ageing: Ageing = Ageing()
    catholyte_volume: Tank
    tafel: Tafel = Tafel()
    plate_capture: PlateCapture = 0.0
    plate_film: Literal["catholyte", "current"] = "catholyte"
    deposition: Deposition = 0.0
    air: AirEntry | None = None
    conditioning: ConditioningEntry | None = None
    row: list[ElectrodeRow] = []
    pattern: list[Pattern] = []
