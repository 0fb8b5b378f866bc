"""Rate laws: how fast a mineral, or a share of the exchanger's sites, goes to its equilibrium.

A law gives the rate constant lambda of  dn/dt = -lambda (n - n_eq),  n the amount and n_eq that
of the equilibrium that the voxel would reach if nothing came or went and this alone were slow:

    first order          lambda = k                                                     [1/s]
    transition state     lambda = r/(n - n_eq),      r = A g(a_H) (1 - Omega^p)^q   [mol/m3/s]
                         g = k_a a_H^na + k_n + k_b a_H^nb                          [mol/m2/s]
                         A = A_0 n_0 (max(n, seed)/n_0)^m,  n_0 = max(n at t = 0, seed)
                                                                             [m2/m3 of bulk]

r is the net dissolution, negative where Omega > 1; orders are those in the activity of H+, that
of the base term negative, as in the compilation of Palandri and Kharaka (2004, U.S. Geological
Survey Open-File Report 2004-1068). A_0 is the area per mol, m = 2/3 for grains that keep their
shape, 1 for an area per mass that stays, 0 for an area that stays. A mineral that is not there
has the area of its seed; without one it never forms.
"""

from dataclasses import dataclass, replace

import numpy as np

LN10 = np.log(10.0)
CLOSE = 1e-13      # of the larger of n and n_eq: closer than the equilibrium is known
LARGEST = 100.0    # p ln Omega above which a rate is as good as infinite


@dataclass(frozen=True)
class FirstOrder:
    """k [1/s], whatever the solution."""

    rate: float

    depends = False          # on the solution, so on where the reaction has come to

    def __str__(self):
        return f"{self.rate:g} 1/s towards equilibrium"

    def at(self, take):
        """The law of the ore voxels; see below."""
        return self

    def constant(self, n, target, first, pH, saturation):
        """lambda [1/s] of every voxel."""
        return np.full_like(n, self.rate)


@dataclass(frozen=True)
class Term:
    """k a_H^order  [mol/m2/s]."""

    rate: float
    order: float = 0.0


@dataclass(frozen=True)
class TransitionState:
    """The sum of `terms` on a surface, slowed by the affinity."""

    terms: tuple
    area: float              # m2/mol
    exponent: float          # m
    seed: np.ndarray         # mol/m3 of bulk, of every voxel
    omega_power: float       # p
    affinity_power: float    # q

    depends = True

    def __str__(self):
        speed = " + ".join(f"{t.rate:g} a_H^{t.order:g}" if t.order else f"{t.rate:g}"
                           for t in self.terms)
        return (f"({speed}) mol/m2/s (1 - Omega^{self.omega_power:g})^{self.affinity_power:g}, "
                f"{self.area:g} m2/mol, area as n^{self.exponent:.3g}, seed "
                f"{np.max(self.seed):g} mol/m3")

    def at(self, take):
        """The law of the ore voxels, take(array (nz, ny, nx)) -> (n,)."""
        return replace(self, seed=take(self.seed))

    def surface(self, n, first):
        """A [m2/m3 of bulk] of amounts n; first: those at t = 0."""
        whole, now = np.maximum(first, self.seed), np.maximum(n, self.seed)
        share = now / np.where(whole > 0, whole, 1.0)                # where it is 0, so is A
        return self.area * whole * share**self.exponent * (now > 0)

    def dissolution(self, n, first, pH, saturation):
        """r [mol/m3/s]; saturation: ln Omega of every voxel."""
        speed = sum(term.rate * np.exp(-LN10 * term.order * pH) if term.order else term.rate
                    for term in self.terms)
        away = -np.expm1(np.minimum(self.omega_power * saturation, LARGEST))
        pull = np.sign(away) * np.abs(away)**self.affinity_power
        return self.surface(n, first) * speed * pull

    def constant(self, n, target, first, pH, saturation):
        """lambda [1/s] of every voxel; 0 where n is at the target already."""
        gap = n - target
        there = np.abs(gap) <= CLOSE * np.maximum(n, target)
        r = self.dissolution(n, first, pH, saturation)
        return np.where(there, 0.0, np.maximum(r / np.where(there, 1.0, gap), 0.0))


def relaxed(n, target, exponent):
    """n after a time of which lambda t = exponent: n_eq + (n - n_eq) exp(-exponent).

    A mean of n and n_eq: it cannot overshoot, whatever the exponent.
    """
    return target + (n - target) * np.exp(-exponent)
