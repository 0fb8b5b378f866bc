"""Schema of case.toml: its keys, types and units as strict pydantic models.

Quantities become floats in SI units here. Values that depend on other sections (sources of voxel
values, amounts of components) stay as written and are read by the module of their section.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ekm3d.case.schema_chemistry import ImmobileWater, Kinetic, MediumEntry, MobilityEntry
from ekm3d.case.schema_ground import BoundaryEntry, RetentionEntry
from ekm3d.case.schema_schedule import Flux, Head, Interval, Rate, ScheduleEntry
from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import GasPressure, QuantityKind, not_negative, positive
from ekm3d.constants import ZERO_CELSIUS
from ekm3d.quoting import quoted

LENGTH = QuantityKind("m", "0.5 m")


def _list_of(kind, count=None):
    """Return a reader of `count` quantities (None: any number); one alone is repeated."""
    def read(value):
        if not isinstance(value, list):
            return [kind.read(value)] * (count or 1)
        if len(value) != (count or len(value)) or not value:
            raise ValueError(f"should hold {count or 'at least one'} "
                             f"value{'s' * (count != 1)}, not {len(value)}")
        return [kind.read(v) for v in value]
    return read


def box_of(value: Any) -> tuple[Any, Any]:
    """Return the lower and the upper corner [m] of a box [[x0, y0, z0], [x1, y1, z1]].

    ValueError where it is none.
    """
    if not isinstance(value, list) or len(value) != 2 \
            or not all(isinstance(v, list) and len(v) == 3 for v in value):
        raise ValueError("should be two opposite corners, [[x0, y0, z0], [x1, y1, z1]]")
    ends = [[LENGTH.read(v) for v in corner] for corner in value]
    low, high = (tuple(pick(a, b) for a, b in zip(*ends, strict=True)) for pick in (min, max))
    if any(a == b for a, b in zip(low, high, strict=True)):
        raise ValueError("is a box without volume; its corners must differ in x, y and z")
    return low, high


def _boxes(value):
    """Return the boxes of a list of them."""
    if not isinstance(value, list) or not value:
        raise ValueError("should be a list of boxes, [[[x0, y0, z0], [x1, y1, z1]], ...]")
    return [box_of(box) for box in value]


def _celsius(value):
    """Return a temperature [C] of "15 C", "288.15 K" or a bare number of K."""
    kind = QuantityKind("C", "25 C", 0.0, 100.0)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 <= value - ZERO_CELSIUS <= 100:
            raise ValueError(f"{value:g} K, as a bare number is in K, is out of range; write "
                             f"'{value:g} C' if that is meant")
        return round(value - ZERO_CELSIUS, 9)
    if not isinstance(value, str):
        return kind.read(value)
    number, _, unit = value.strip().partition(" ")
    zero = {"C": 0.0, "degC": 0.0, "°C": 0.0, "K": ZERO_CELSIUS}.get(unit)
    try:
        return kind.check(round(float(number) - zero, 9), value)
    except (TypeError, ValueError) as e:
        reason = "" if zero is None else f": {e}"
        raise ValueError(f"cannot read {quoted(value)} as a temperature{reason}; write e.g. '25 C'"
                         ) from None


def _deposition(value):
    """Return a rate [1/s], or {mineral: rate [1/s]}."""
    kind = not_negative("1/s", "0.034 1/s")
    if isinstance(value, dict):
        return {name: kind.read(rate) for name, rate in value.items()}
    return kind.read(value)


def _three(kind, example):
    """Return the annotations of a list of three quantities along x, y, z."""
    return BeforeValidator(_list_of(kind, 3)), Field(examples=[example])


Position = Annotated[list[float], *_three(LENGTH, '["0.5 m", "0.75 m", "1 m"]')]
Centres = Annotated[list[float], BeforeValidator(_list_of(LENGTH)),
                    Field(examples=['["0.25 m", "0.75 m"]'])]
Corner = tuple[float, float, float]         # x, y, z [m]
Box = Annotated[tuple[Corner, Corner], BeforeValidator(box_of)]
Boxes = Annotated[list[tuple[Corner, Corner]], BeforeValidator(_boxes)]
Size = Annotated[list[float], *_three(QuantityKind("m", "2 m", 1e-9, 1e6),
                                      '["2 m", "1.5 m", "2 m"]')]
Spacing = Annotated[list[float], *_three(QuantityKind("m", "10 cm", 1e-9, 1e6), '"10 cm"')]
Length = Annotated[float, *quantity(LENGTH)]
Width = Annotated[float, *quantity(positive("m", "0.1 m"))]
Thickness = Annotated[float, *quantity(positive("m", "5 mm"))]
Area = Annotated[float, *quantity(positive("m2", "3 m2"))]
Seepage = Annotated[float, *quantity(QuantityKind("m/s", "1e-6 m/s"))]
Tank = Annotated[float, *quantity(not_negative("m3", "2 l"))]
Overpotential = Annotated[float, *quantity(not_negative("V", "2.5 V"))]
Resistance = Annotated[float, *quantity(not_negative("ohm", "18 ohm"))]
PlateCapture = Annotated[float, *quantity(not_negative("m3/A/s", "1.84e-8 m3/(A s)"))]
Deposition = Annotated[float | dict[str, float], BeforeValidator(_deposition),
                       Field(examples=['"0.034 1/s"', '{ "Al(OH)3(a)" = "0.034 1/s" }'])]
Acidity = Annotated[float, *quantity(QuantityKind("", "5.3", 0.0, 14.0))]
Share = Annotated[float, *quantity(QuantityKind("", "1e-9", 0.0, 1e-3))]
Pressure = Annotated[float, *quantity(GasPressure("atm", "4.2e-4 atm", 0.0, above=True))]
Files = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]
Celsius = Annotated[float, BeforeValidator(_celsius), Field(examples=['"25 C"'])]


class Grid(Table):
    """[grid]: the block [m] and its voxels."""

    size: Size
    spacing: Spacing
    origin: Position = [0.0, 0.0, 0.0]


class Ore(Table):
    """[ore]: each value is a source (constant, layers, table, ..., see ekm3d.case.voxel_values)."""

    density: Any = None
    porosity: Any = Field(examples=["0.45"])
    water_content: Any = None
    tortuosity: Any = Field(examples=["0.67"])
    permeability: Any = None
    electroosmotic_permeability: Any = 0.0
    dispersivity: Any = 0.0
    conductivity: Any = None
    current_source: Any = None
    storage: Any = None
    exchangeable: dict[str, Any] = {}
    minerals: dict[str, Any] = {}
    immobile: ImmobileWater | None = None
    retention: RetentionEntry | None = None


class Layer(Table):
    """One layer, heights above the block's bottom."""

    bottom: Length
    top: Length
    value: Any = Field(examples=["0.45"])


class LayersSource(Table):
    """Source of values: horizontal layers."""

    layers: list[Layer]


class CsvFile(Table):
    """Signs of a CSV file."""

    dialect: Literal["excel", "excel-de", "excel-tab"] = "excel"
    separator: Literal[",", ";", "tab"] | None = None
    decimal: Literal[".", ","] | None = None


class TableSource(CsvFile):
    """Source of values: a column of a CSV file with one row per voxel."""

    table: str
    column: str = Field(examples=['"porosity"'])
    unit: str | None = None


class TimeTable(CsvFile):
    """Values in time: a column of a CSV file, beside one of times."""

    table: str
    column: str = Field(examples=['"head_m"'])
    unit: str | None = None


class ArraySource(Table):
    """Source of values: an array (nz, ny, nx) in a .npy file."""

    table: str
    unit: str | None = None


class DatasetSource(Table):
    """Source of values: an array (nz, ny, nx) in an HDF5 file."""

    table: str
    dataset: str = Field(examples=['"porosity"'])
    unit: str | None = None


class FormulaSource(Table):
    """Source of values: an expression of x, y, z [m]."""

    formula: str
    unit: str | None = None


class SamplesSource(CsvFile):
    """Source of values: scattered samples in a CSV file, interpolated."""

    samples: str
    column: str = Field(examples=['"LREE_mg_per_kg"'])
    unit: str | None = None


class Exchanger(Table):
    """[chemistry.exchanger]: capacity and its dependence on pH."""

    cec: Any = "from inventory"
    variable_charge: Any = 0.0
    reference_pH: Acidity = 7.0


class NamedExchanger(Exchanger):
    """[[chemistry.exchangers]]: one of several, named as its empty site in the database."""

    name: str = Field(examples=['"X-"'])


class ChemistryChoice(Table):
    """[chemistry]: a database and the components, minerals, ... chosen from it.

    `database` is "package" or a file, `inline` the same tables in the case itself; `extend` names
    files whose records override those of the same name and add others; `log_k` replaces constants
    of records one by one.
    """

    database: str | None = None
    inline: dict[str, Any] | None = None
    extend: Files = []
    activity: Literal["davies", "ideal"] | None = None
    exchange_gammas: bool = True
    temperature: Celsius = 25.0
    components: list[str] | None = None
    minerals: list[str] | None = None
    exchange: list[str] | None = None
    gases: dict[str, Pressure] | None = None
    groups: dict[Literal["REE", "impurity", "ammonium"], list[str]] = {}
    log_k: dict[str, float | int] = {}
    exchanger: Exchanger | None = None
    exchangers: list[NamedExchanger] = []
    kinetics: list[Kinetic] = []


class WaterRegion(Table):
    """[[water.region]]: a box with water of its own."""

    box: Box
    composition: dict[str, Any] = Field(examples=['{ "Na+" = "1 mmol/l", "Cl-" = "1 mmol/l" }'])


class Water(Table):
    """[water]: first pore water, and salts added by prewetting."""

    composition: dict[str, Any] = {}
    prewetting: dict[str, Any] = {}
    region: list[WaterRegion] = []


class SideEntry(Table):
    """[[side]]: a side of the block that is not closed."""

    face: Literal["x-", "x+", "y-", "y+", "z-", "z+"] = Field(examples=['"x-"'])
    composition: dict[str, Any] | None = None
    contact: Literal["diffusive", "advective"] | None = None
    potential: Any = None
    current: Any = None
    flux: Seepage | None = None
    head: Head | None = None
    component_flux: dict[str, Any] = {}


class Strips(Table):
    """Upright strips of one row; `facing` is the axis along their thickness."""

    x: Centres
    y: Centres
    bottom: Length
    top: Length
    width: Width
    thickness: Thickness
    facing: Literal["x", "y"] = "x"


class ElectrodeRow(Table):
    """[[electrodes.row]]: electrodes wired together."""

    name: str = Field(examples=['"row 1"'])
    strips: Strips | None = None
    plates: Boxes | None = None
    contact_resistance: Resistance | None = None
    catholyte_volume: Tank | None = None


class ElectrodeRows(Table):
    """[electrodes]: all rows and what they share."""

    overpotential: Overpotential
    contact_resistance: Resistance
    catholyte_volume: Tank
    plate_capture: PlateCapture = 0.0
    deposition: Deposition = 0.0
    row: list[ElectrodeRow] = []


class WellEntry(Table):
    """[[well]]: a place where water enters or leaves."""

    name: str = Field(examples=['"feed"'])
    kind: Literal["injection", "head", "drain", "collector"] = Field(examples=['"injection"'])
    at: str | None = None
    box: Box | None = None
    rate: Rate | None = None
    flux: Flux | None = None
    area: Area | None = None
    head: Head | None = None
    max_rate: Rate | None = None
    max_head: Head | None = None
    composition: dict[str, Any] = {}


class SamplingEntry(CsvFile):
    """[sampling]: a CSV file of points."""

    file: str = Field(examples=['"samples.csv"'])


class ProbeEntry(Table):
    """[[probe]]: a point of the time series."""

    name: str = Field(examples=['"between rows"'])
    position: Position


class OutputEntry(Table):
    """[output]: intervals [s], mode and contents of the files written."""

    snapshot_every: Interval = 43200.0
    series_every: Interval = 3600.0
    mode: Literal["gathered", "per-rank"] = "gathered"      # one file, or one of each process
    checkpoint: Interval | None = None                      # None: no checkpoints
    fields: list[str] = ["*"]                               # names of fields, or patterns of names
    precision: Literal["float32", "float64"] = "float32"    # of the fields of snapshots


class StartEntry(Table):
    """[start]: the contents of the block at the beginning, where another run has made them."""

    run: str


class PhysicsEntry(Table):
    """[physics]: processes that take part, and their laws."""

    potential: bool = True
    flow: bool = True
    transport: bool = True
    chemistry: bool = True                                  # False: the ions do not react
    scheme: Literal["blended", "upwind"] = "blended"        # of face concentrations
    skip: Share = 0.0       # relative change of totals [1] up to which equilibrium is kept
    medium: MediumEntry | None = None
    mobility: MobilityEntry | None = None


class CaseFile(Table):
    """All sections of case.toml."""

    title: str = ""
    description: str = ""
    extends: str | None = Field(None, examples=['"../bench_ekm"'])
    folders: list[str] = []
    physics: PhysicsEntry = PhysicsEntry()
    grid: Grid
    ore: Ore
    chemistry: ChemistryChoice
    water: Water = Water()
    electrodes: ElectrodeRows | None = None
    well: list[WellEntry] = []
    side: list[SideEntry] = []
    boundary: list[BoundaryEntry] = []
    schedule: ScheduleEntry = ScheduleEntry()
    sampling: SamplingEntry | None = None
    probe: list[ProbeEntry] = []
    output: OutputEntry = OutputEntry()
    start: StartEntry | None = None
