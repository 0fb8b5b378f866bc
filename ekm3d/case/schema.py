"""Schema of case.toml: its keys, types and units as strict pydantic models.

Quantities become floats in SI units here. Values that depend on other sections (sources of voxel
values, amounts of components) stay as written and are read by the module of their section.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ekm3d.case.schema_chemistry import ImmobileWater, Kinetic, MediumEntry, MobilityEntry
from ekm3d.case.schema_electrodes import LENGTH, Box, ElectrodeRows, Length, list_of
from ekm3d.case.schema_electrodes import Corner as Corner
from ekm3d.case.schema_electrodes import box_of as box_of
from ekm3d.case.schema_ground import BoundaryEntry, RetentionEntry
from ekm3d.case.schema_ore_files import BlockModelEntry, DrillHolesEntry, Interpolation
from ekm3d.case.schema_schedule import Flux, Head, Interval, Rate, ScheduleEntry, StartEntry
from ekm3d.case.schema_shapes import Angle, Crs, Lines, RealPoint, RockEntry, VoxelShare
from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import GasPressure, QuantityKind, positive
from ekm3d.constants import ZERO_CELSIUS
from ekm3d.quoting import quoted


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


def _three(kind, example):
    """Return the annotations of a list of three quantities along x, y, z."""
    return BeforeValidator(list_of(kind, 3)), Field(examples=[example])


Position = Annotated[list[float], *_three(LENGTH, '["0.5 m", "0.75 m", "1 m"]')]
Size = Annotated[list[float], *_three(QuantityKind("m", "2 m", 1e-9, 1e6),
                                      '["2 m", "1.5 m", "2 m"]')]
Spacing = Annotated[list[float], *_three(QuantityKind("m", "10 cm", 1e-9, 1e6), '"10 cm"')]
Area = Annotated[float, *quantity(positive("m2", "3 m2"))]
Seepage = Annotated[float, *quantity(QuantityKind("m/s", "1e-6 m/s"))]
Acidity = Annotated[float, *quantity(QuantityKind("", "5.3", 0.0, 14.0))]
Share = Annotated[float, *quantity(QuantityKind("", "1e-9", 0.0, 1e-3))]
Pressure = Annotated[float, *quantity(GasPressure("atm", "4.2e-4 atm", 0.0, above=True))]
Realisation = Annotated[int, Field(ge=0, le=2**31 - 1)]
Files = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]
Celsius = Annotated[float, BeforeValidator(_celsius), Field(examples=['"25 C"'])]


class Grid(Table):
    """[grid]: the block [m] and its voxels."""

    size: Size
    spacing: Spacing
    origin: Position = [0.0, 0.0, 0.0]
    real_origin: RealPoint | None = None     # of the origin, in the crs
    rotation: Angle | None = None           # counter-clockwise about the origin, seen from above
    crs: Crs | None = None
    least_share: VoxelShare | None = None   # of a voxel in a shape, for it to belong there
    columns: Lines | None = None            # lines across a voxel by which shapes are measured


class Ore(Table):
    """[ore]: each value is a source (constant, layers, table, ..., see ekm3d.case.voxel_values)."""

    active: Any = None                      # shape of the voxels that take part
    rock_order: list[str] = []              # rock types that may overlap; earlier ones come first
    density: Any = None
    porosity: Any = None
    water_content: Any = None
    tortuosity: Any = None
    permeability: Any = None
    electroosmotic_permeability: Any = 0.0
    dispersivity: Any = 0.0
    transverse_dispersivity: Any = None
    surface_mobility: Any = None
    conductivity: Any = None
    current_source: Any = None
    storage: Any = None
    exchangeable: dict[str, Any] = {}
    minerals: dict[str, Any] = {}
    realisation: Realisation = 0
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


class SamplesSource(CsvFile, Interpolation):
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


class PhysicsEntry(Table):
    """[physics]: processes that take part, and their laws."""

    potential: bool = True
    flow: bool = True
    transport: bool = True
    unsaturated: bool = True                                # False: [ore.retention] left aside
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
    block_model: list[BlockModelEntry] = []
    drill_holes: list[DrillHolesEntry] = []
    ore: Ore
    surfaces: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    rocks: dict[str, RockEntry] = {}
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
