"""Rate laws of minerals and of slow exchange sites: relaxation towards equilibrium.

A law gives the rate constant lambda of  dn/dt = -lambda (n - n_eq),  n the amount and n_eq its
equilibrium value in the closed voxel, all other reactions being fast:

    first order          lambda = k                                                     [1/s]
    transition state     lambda = r/(n - n_eq),      r = A g(a_H) (1 - Omega^p)^q   [mol/m3/s]
                         g = k_a a_H^na + k_n + k_b a_H^nb                          [mol/m2/s]
                         A = A_0 n_0 (max(n, seed)/n_0)^m,  n_0 = max(n at t = 0, seed)
                                                                             [m2/m3 of bulk]

r is the net dissolution, negative where Omega > 1; orders are in the activity of H+, negative
for the base term, as in the compilation of Palandri and Kharaka (2004, U.S. Geological
Survey Open-File Report 2004-1068). A_0 is the area per mol, m = 2/3 for grains of constant
shape, 1 for a constant area per mass, 0 for a constant area. An absent mineral has the area of
its seed; without one it never forms.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

from ekm3d.chemistry.chemical_state import Array

LN10 = np.log(10.0)
CLOSE = 1e-13      # relative distance of n and n_eq, below the accuracy of the equilibrium
LARGEST = 100.0    # p ln Omega above which a rate counts as infinite


class RateLaw(Protocol):
    """A rate law: an instance of FirstOrder or TransitionState.

    depends: whether lambda depends on the solution, and so on the progress of the reaction.
    """

    depends: ClassVar[bool]

    def at(self, take: Callable[[np.ndarray], Array]) -> "RateLaw":
        """Return the law with arrays (nz, ny, nx) replaced by take(array) (n,) of ore voxels."""

    def constant(self, n: Array, target: Array, first: Array, pH: Array | None,
                 saturation: Array | None) -> Array:
        """Return lambda (n,) [1/s] at the amounts n; see TransitionState.constant."""


@dataclass(frozen=True)
class FirstOrder:
    """First order: lambda = k [1/s], independent of the solution."""

    rate: float              # k, 1/s

    depends: ClassVar[bool] = False

    def __str__(self):
        return f"{self.rate:g} 1/s towards equilibrium"

    def at(self, take: Callable[[np.ndarray], Array]) -> "FirstOrder":
        """Return the law of the ore voxels: the same."""
        return self

    def constant(self, n: Array, target: Array, first: Array, pH: Array | None,
                 saturation: Array | None) -> Array:
        """Return lambda (n,) [1/s]."""
        return np.full_like(n, self.rate)


@dataclass(frozen=True)
class Term:
    """A term k a_H^order of the rate per area [mol/m2/s]."""

    rate: float              # k, mol/m2/s
    order: float = 0.0       # in the activity of H+


@dataclass(frozen=True)
class TransitionState:
    """Transition state theory: the sum of `terms` times the surface times the affinity term."""

    terms: tuple[Term, ...]
    area: float              # m2/mol
    exponent: float          # m
    seed: np.ndarray         # mol/m3 of bulk, of every voxel
    omega_power: float       # p
    affinity_power: float    # q

    depends: ClassVar[bool] = True

    def __str__(self):
        speed = " + ".join(f"{t.rate:g} a_H^{t.order:g}" if t.order else f"{t.rate:g}"
                           for t in self.terms)
        return (f"({speed}) mol/m2/s (1 - Omega^{self.omega_power:g})^{self.affinity_power:g}, "
                f"{self.area:g} m2/mol, area as n^{self.exponent:.3g}, seed "
                f"{np.max(self.seed):g} mol/m3")

    def at(self, take: Callable[[np.ndarray], Array]) -> "TransitionState":
        """Return the law of the ore voxels, take(array (nz, ny, nx)) -> (n,)."""
        return replace(self, seed=take(self.seed))

    def surface(self, n: Array, first: Array) -> Array:
        """Return A (n,) [m2/m3 of bulk] of amounts n (n,); first: those at t = 0 [mol/m3]."""
        initial, amount = np.maximum(first, self.seed), np.maximum(n, self.seed)
        share = amount / np.where(initial > 0, initial, 1.0)         # where it is 0, so is A
        return self.area * initial * share**self.exponent * (amount > 0)

    def dissolution(self, n: Array, first: Array, pH: Array, saturation: Array) -> Array:
        """Return r (n,) [mol/m3/s]; saturation (n,): ln Omega."""
        speed = sum(term.rate * np.exp(-LN10 * term.order * pH) if term.order else term.rate
                    for term in self.terms)
        distance = -np.expm1(np.minimum(self.omega_power * saturation, LARGEST))
        affinity = np.sign(distance) * np.abs(distance)**self.affinity_power
        return self.surface(n, first) * speed * affinity

    def constant(self, n: Array, target: Array, first: Array, pH: Array | None,
                 saturation: Array | None) -> Array:
        """Return lambda (n,) [1/s]; 0 where n has reached the target.

        n, target, first (n,) mol/m3: amounts now, in equilibrium and at t = 0; saturation:
        ln Omega.
        """
        gap = n - target
        reached = np.abs(gap) <= CLOSE * np.maximum(n, target)
        r = self.dissolution(n, first, pH, saturation)
        return np.where(reached, 0.0, np.maximum(r / np.where(reached, 1.0, gap), 0.0))


def relaxed(n: Array, target: Array, exponent: Array) -> Array:
    """Return n after a time t with lambda t = exponent: n_eq + (n - n_eq) exp(-exponent).

    A weighted mean of n and n_eq, so it cannot overshoot.
    """
    return target + (n - target) * np.exp(-exponent)
