"""Diffusion factors of an ore: ratios of diffusion coefficients to those in free water.

    D_s = f_s D_s(water),      f_s = prod_k f_k  over the components k of the species
    f_k as given, or by the size of the ion,  f_k = (r_k/r_ref)^-a

In clay the heavy rare earths, the smaller ions, move faster than their hydrated size would let
them in free water: a > 0. The exponent is the ore's and has no default. Radii are those of
Shannon (1976, Acta Cryst. A32, 751) in ninefold coordination, in ionic_radii.toml. A factor
given for a complex itself replaces the product of its components' factors.
"""

from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import files

import numpy as np

from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.toml_file import parsed


def radii() -> dict[str, float]:
    """Return {component: radius of the ion [angstrom]}."""
    text = (files("ekm3d.chemistry") / "ionic_radii.toml").read_text("utf-8")
    return parsed(text)["radius"]


def by_size(names: Iterable[str], exponent: float, reference: str,
            known: dict[str, float]) -> dict[str, float]:
    """Return {name: factor} of the named ions, 1 for `reference`; known: {name: radius}."""
    return {name: (known[name] / known[reference]) ** -exponent for name in names}


def with_factors(chem: ChemicalSystem, factors: dict[str, float]) -> ChemicalSystem:
    """Return the system with factors {species: f} on the diffusion of species and complexes."""
    f = np.ones(len(chem.species))
    for k, name in enumerate(chem.components):
        f[chem.nu[:, k] > 0] *= factors.get(name, 1.0)
    for name, factor in factors.items():
        f[chem.species_index(name)] = factor
    return replace(chem, diffusion=chem.diffusion * f)
