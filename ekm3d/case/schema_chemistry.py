"""Schema of slow reactions, immobile water, the medium's response and mobilities in case.toml.

The tables [[chemistry.kinetics]], [ore.immobile], [physics.medium] and [physics.mobility]; the
relations between their values are checked by `kinetics`, `medium` and `mobility`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from ekm3d.case.toml_tables import Table, quantity
from ekm3d.case.units import QuantityKind, not_negative, positive

PerSecond = Annotated[float, *quantity(positive("1/s", "1e-6 1/s"))]
SurfaceRate = Annotated[float, *quantity(not_negative("mol/m2/s", "1e-9 mol/m2/s"))]
Number = Annotated[float, *quantity(QuantityKind("", "0.5", -20.0, 20.0))]
Power = Annotated[float, *quantity(QuantityKind("", "1.0", 0.0, 20.0, above=True))]
Exponent = Annotated[float, *quantity(QuantityKind("", "0.667", 0.0, 20.0))]
Share = Annotated[float, *quantity(QuantityKind("", "0.4", 0.0, 1.0, above=True))]
Strength = Annotated[float, *quantity(positive("mol/m3", "10 mmol/l"))]
Factor = Annotated[float, *quantity(QuantityKind("", "1.1", 0.0, 1e3))]
Radius = Annotated[float, *quantity(QuantityKind("", "1.1", 0.1, 100.0))]


class RateTerm(Table):
    """Term rate a_H^order of a rate law."""

    rate: SurfaceRate
    order: Number = 0.0


class Kinetic(Table):
    """[[chemistry.kinetics]]: the law of a slow mineral, or of a share of the exchange sites."""

    mineral: str | None = None
    sites: Share | None = None
    law: Literal["first order", "transition state"] = "first order"
    rate: PerSecond | None = None
    acid: RateTerm | None = None
    neutral: RateTerm | None = None
    base: RateTerm | None = None
    area: Any = None
    area_exponent: Exponent = 2 / 3
    seed: Any = None
    omega_power: Power = 1.0
    affinity_power: Power = 1.0


class ImmobileWater(Table):
    """[ore.immobile]: share, rate and tortuosity are sources, like those of [ore]."""

    share: Any = Field(examples=["0.3"])
    rate: Any = Field(examples=['"1e-6 1/s"'])
    field: bool = True
    tortuosity: Any = None


class MediumEntry(Table):
    """[physics.medium]: properties that follow the minerals, the pH and the ionic strength."""

    porosity: bool = False
    molar_volume: dict[str, Any] = {}
    permeability: Any = None
    salt: dict[str, Any] = {}
    tortuosity: Exponent | None = None
    zeta: list[Any] | None = None
    zeta_per_decade: Number = 0.0
    reference_strength: Strength = 10.0


class MobilityEntry(Table):
    """[physics.mobility]: factors on the diffusion of species."""

    factor: dict[str, Factor] = {}
    size_exponent: Number | None = None
    reference: str | None = None
    radius: dict[str, Radius] = {}
