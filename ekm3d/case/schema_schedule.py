"""Schema of [schedule] in case.toml: stages, pulses, what a stage changes in wells, time steps."""

from typing import Annotated, Any, Literal

from pydantic import Field

from ekm3d.case.schema_ground import StageBoundary
from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import QuantityKind, not_negative, positive

Head = Annotated[float, *quantity(QuantityKind("m", "0 m", -1e4, 1e4))]
Flux = Annotated[float, *quantity(not_negative("m/s", "5e-7 m/s"))]
Rate = Annotated[float, *quantity(not_negative("m3/s", "1.5e-6 m3/s"))]
Time = Annotated[float, *quantity(positive("s", "132 h"))]
Interval = Annotated[float, *quantity(positive("s", "30 min"))]
Pause = Annotated[float, *quantity(not_negative("s", "10 min"))]
Volts = Annotated[float, *quantity(not_negative("V", "30 V"))]
Limit = Annotated[float, *quantity(positive("V", "60 V"))]
Amperes = Annotated[float, *quantity(positive("A", "1.5 A"))]
Watts = Annotated[float, *quantity(positive("W", "500 W"))]
Gradient = Annotated[float, *quantity(not_negative("V/m", "0.3 V/cm"))]
Courant = Annotated[float, *quantity(QuantityKind("", "0.4", 0.0, 1.0, above=True))]
Tolerance = Annotated[float, *quantity(QuantityKind("", "1e-10", 0.0, 1e-4, above=True))]
StepShare = Annotated[float, *quantity(QuantityKind("", "1e-6", 0.0, 1e-3))]


class StageWell(Table):
    """[[schedule.stage.well]]: what a stage changes in a well."""

    name: str = Field(examples=['"feed"'])
    off: bool = False
    rate: Rate | None = None
    flux: Flux | None = None
    head: Head | None = None
    max_rate: Rate | None = None
    max_head: Head | None = None
    composition: dict[str, Any] | None = None


class Pulse(Table):
    """Pulse of a stage: power on, power off."""

    on: Interval
    off: Pause


class SupplyEntry(Table):
    """[[schedule.stage.supply]]: one of several supplies; the first limit reached rules it."""

    name: str = Field(examples=['"barrier"'])
    anodes: list[str] = Field(examples=['["row 1"]'])
    cathodes: list[str] = Field(examples=['["row 2"]'])
    voltage: Volts | None = None
    gradient: Gradient | None = None
    current: Amperes | None = None
    power: Watts | None = None


class Rotate(Table):
    """Rows of a stage that are driven in turn: dealt into groups, each for a time."""

    groups: Annotated[int, Field(ge=2, le=1000)] = Field(examples=["3"])
    every: Interval


class Reverse(Table):
    """Reversal of the polarity: anodes are cathodes for a time, after each one as given."""

    every: Interval
    lasting: Interval


class StageEntry(Table):
    """[[schedule.stage]]: driven rows and their supply."""

    name: str = Field(examples=['"stage 1"'])
    duration: Time
    anodes: list[str] = []
    cathodes: list[str] = []
    gradient: Gradient | None = None
    voltage: Volts | None = None
    current: Amperes | None = None
    limit: Limit | None = None
    floating: list[str] = []
    supply: list[SupplyEntry] = []
    rotate: Rotate | None = None
    reverse: Reverse | None = None
    repeat: Annotated[int, Field(ge=1, le=10000)] = 1
    repeat_from: str | None = None
    pulse: Pulse | None = None
    well: list[StageWell] = []
    boundary: list[StageBoundary] = []


class ScheduleEntry(Table):
    """[schedule]: stages, time steps and tolerances."""

    pulses: Literal["averaged", "resolved"] = "averaged"
    max_step: Interval = 1800.0
    fixed_step: Interval | None = None
    least_step: StepShare = 1e-6
    order: Literal[1, 2] = 1
    cfl: Courant = 0.9
    tolerance: Tolerance = 1e-10
    stage: list[StageEntry] = []


class StartEntry(Table):
    """[start]: the contents of the block at the beginning, where another run has made them."""

    run: str
