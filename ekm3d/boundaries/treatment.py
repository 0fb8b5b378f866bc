"""Treatment of the catholytes of electrodes: air above them, acid dosed into them."""

from dataclasses import dataclass

STRONGEST = 1e4         # mol of acid per m3 of catholyte in a step, beyond which none will do

@dataclass(frozen=True)
class Air:
    """Exchange of one dissolved gas with the air over every catholyte."""

    species: str
    saturation: float           # mol/m3 of the dissolved gas, in equilibrium with the air
    velocity: float             # m/s, mass transfer k_L
    area: float                 # m2, surface of each catholyte


@dataclass(frozen=True)
class Conditioning:
    """pH at which the catholyte of every cathode is held by an acid, named by its anion."""

    pH: float
    acid: str
