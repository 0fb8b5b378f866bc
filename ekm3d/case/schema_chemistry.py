"""What case.toml may say of slow reactions, immobile water, the medium and mobilities.

The tables [[chemistry.kinetics]], [ore.immobile], [physics.medium] and [physics.mobility]; what
their values must be among themselves is checked by `rates` and `responses`.
"""

from typing import Any, Literal

from pydantic import Field

from ekm3d.case.toml_tables import Q, Table
from ekm3d.case.units import QuantityKind, not_negative, positive

PerSecond = Q(positive("1/s", "1e-6 1/s"))
SurfaceRate = Q(not_negative("mol/m2/s", "1e-9 mol/m2/s"))
Number = Q(QuantityKind("", "0.5"))
Power = Q(positive("", "1.0"))
Exponent = Q(not_negative("", "0.667"))
Share = Q(QuantityKind("", "0.4", 0.0, 1.0, above=True))
Strength = Q(positive("mol/m3", "10 mmol/l"))
Factor = Q(not_negative("", "1.1"))
Radius = Q(positive("", "1.1"))


class RateTerm(Table):
    """rate a_H^order."""

    rate: SurfaceRate
    order: Number = 0.0


class Kinetic(Table):
    """A slow mineral, or a share of slow exchange sites, and its law."""

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
    """Each value is a source, like those of [ore]."""

    share: Any = Field(examples=["0.3"])
    rate: Any = Field(examples=['"1e-6 1/s"'])


class MediumEntry(Table):
    porosity: bool = False
    molar_volume: dict[str, Any] = {}
    permeability: Any = None
    tortuosity: Exponent | None = None
    zeta: list[Any] | None = None
    zeta_per_decade: Number = 0.0
    reference_strength: Strength = 10.0


class MobilityEntry(Table):
    factor: dict[str, Factor] = {}
    size_exponent: Number | None = None
    reference: str | None = None
    radius: dict[str, Radius] = {}
