"""Schema of unsaturated ground in case.toml: retention curves, and boundaries that pass water.

The tables [ore.retention], [[boundary]] and [[schedule.stage.boundary]]; the relations between
their values are checked by `retention` and `ground`.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import QuantityKind, not_negative, positive

Model = Literal["van Genuchten", "Gardner", "Brooks-Corey"]
Seepage = Annotated[float, *quantity(not_negative("m/s", "5 mm/h"))]
Depth = Annotated[float, *quantity(not_negative("m", "1 cm"))]
Suction = Annotated[float, *quantity(QuantityKind("m", "-100 m", high=0.0))]
PerTime = Annotated[float, *quantity(positive("1/s", "1e-8 1/s"))]
ShareOfWater = Annotated[float, *quantity(QuantityKind("", "1e-3", 0.0, 0.1, above=True))]


def _tortuosity(value):
    """Return the exponent of theta/theta_s: a number, 7/3 for "millington-quirk", 0: constant."""
    named = {"millington-quirk": 7.0 / 3.0, "constant": 0.0}
    if isinstance(value, str) and value in named:
        return named[value]
    return QuantityKind("", "2.3333", 0.0, 10.0).read(value)


Tortuosity = Annotated[float, BeforeValidator(_tortuosity), Field(examples=["2.0"])]


class CurveEntry(Table):
    """Parameters of a retention curve; each value is a source, like those of [ore]."""

    model: Model | None = None
    alpha: Any = None
    n: Any = None
    residual: Any = None
    saturated: Any = None
    connectivity: Any = None
    air_entry: Any = None
    alpha_2: Any = None
    n_2: Any = None
    share_2: Any = None


class CurveRegion(CurveEntry):
    """[[ore.retention.region]]: a box of another rock; what it does not give is that around it."""

    box: Any = Field(examples=['[["0 m", "0 m", "0 m"], ["1 m", "1 m", "0.5 m"]]'])


class RetentionEntry(CurveEntry):
    """[ore.retention]: the rock may be unsaturated."""

    pressure_head: Any = None
    osmosis: Literal["saturation", "content", "conductivity", "constant"] = "saturation"
    tortuosity: Tortuosity = 7.0 / 3.0
    tolerance: ShareOfWater = 1e-3
    region: list[CurveRegion] = []


class BoundaryEntry(Table):
    """[[boundary]]: water that passes a side of the block, or a part of one."""

    name: str = Field(examples=['"rain"'])
    kind: Literal["rain", "evaporation", "seepage", "drainage", "head", "water table",
                  "leak"] = Field(examples=['"rain"'])
    face: Literal["x-", "x+", "y-", "y+", "z-", "z+"] = Field(examples=['"z+"'])
    box: Any = None
    rate: Seepage | None = None
    ponding: Depth | None = None
    lowest: Suction | None = None
    head: Any = None
    conductance: PerTime | None = None
    collects: bool = False
    composition: dict[str, Any] = {}


class StageBoundary(Table):
    """[[schedule.stage.boundary]]: what a stage changes in a boundary."""

    name: str = Field(examples=['"rain"'])
    off: bool = False
    rate: Seepage | None = None
    composition: dict[str, Any] | None = None
