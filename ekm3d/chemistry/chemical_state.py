"""What the chemistry of m voxels is given and finds: flat arrays where the backend keeps them."""

from dataclasses import dataclass

import numpy as np

FURTHEST = 1.0            # change of a logarithm that is carried on to the next start


@dataclass
class ChemicalState:
    """Arrays (..., m): a run's own, of which some voxels are solved, or just these voxels'.

    K components, N exchangers, S species, E exchange species, M minerals, G gases; B unknowns
    that are logarithms.
    """

    total: object                # (K, m) mol/m3 of bulk
    theta: object                # (m,) m3 of water per m3 of bulk
    cec: object                  # (N, m) eq/m3 of bulk
    slope: object                # (N, m) eq/m3 per pH
    reference_pH: object         # (N, m)
    limits: tuple                # of X / cec, the charge that an exchanger holds
    warm_start: object                 # (B + M, m) unknowns of the last equilibrium, then of this one
    rate: object                 # (B, m) by how much the logarithms changed per second, 1/s
    c: object                    # (S, m) species, mol/m3 of water
    exchanged: object            # (E, m) exchange species, mol/m3 of bulk
    solid: object                # (M, m) minerals, mol/m3 of bulk
    gas: object                  # (G, m) taken up from the gases, mol/m3 of bulk
    pH: object                   # (m,)
    strength: object             # (m,) ionic strength, mol/l


def carried_on(warm_start, rate, elapsed):
    """A start `elapsed` [s] after the equilibrium `warm` (U, n), which changed by `rate` (B, n).

    Straight on, but only where no logarithm changes by more than FURTHEST: what comes or goes
    altogether does not go on like that.
    """
    start = warm_start.copy()
    if elapsed > 0:
        change = rate * elapsed
        start[:len(rate)] += np.where(np.abs(change).max(axis=0) <= FURTHEST, change, 0.0)
    return start
