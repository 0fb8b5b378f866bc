"""How freely each species moves in this ore: a factor on its diffusion coefficient in water.

    D_s = f_s D_s(water),      f_s = prod_k f_k  of the components k that the species holds
    f_k as given, or by the size of the ion,  f_k = (r_k/r_ref)^-a

In clay the heavy rare earths, the smaller ions, move faster than in free water their hydrated size
would let them; a > 0 says so. The exponent is the ore's and has no default. Radii are those of
Shannon (1976, Acta Cryst. A32, 751) in ninefold coordination, in ionic_radii.toml. A factor
named for a complex itself takes the place of what its parts would give.
"""

import tomllib
from dataclasses import replace
from importlib.resources import files

import numpy as np


def radii():
    """{component: radius of the ion [Angstrom]}"""
    return tomllib.loads((files("ekm3d.chemistry") / "ionic_radii.toml").read_text())["radius"]


def by_size(names, exponent, reference, known):
    """{name: factor} of the named ions, that of `reference` being 1; known: radii."""
    return {name: (known[name] / known[reference]) ** -exponent for name in names}


def with_factors(chem, factors):
    """The chemistry with factors {species: f} on the diffusion of species and their complexes."""
    f = np.ones(len(chem.species))
    for k, name in enumerate(chem.components):
        f[chem.nu[:, k] > 0] *= factors.get(name, 1.0)
    for name, factor in factors.items():
        f[chem.species_index(name)] = factor
    return replace(chem, diffusion=chem.diffusion * f)
