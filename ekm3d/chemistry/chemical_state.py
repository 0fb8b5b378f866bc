"""Inputs and outputs of the equilibrium solver for m voxels, as flat arrays of the backend."""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any               # NumPy's on the host, CuPy's on a GPU

MAX_EXTRAPOLATION = 1.0   # change of a logarithm beyond which a warm start is not extrapolated


@dataclass
class ChemicalState:
    """Arrays (..., m): a whole run's, of which some voxels are solved, or those of a list.

    K components, N exchangers, S species, E exchange species, M minerals, G gases; B unknowns
    that are logarithms.
    """

    total: Array                 # (K, m) mol/m3 of bulk
    theta: Array                 # (m,) water content, m3 of water per m3 of bulk
    cec: Array                   # (N, m) eq/m3 of bulk
    slope: Array                 # (N, m) eq/m3 per pH
    reference_pH: Array          # (N, m)
    limits: tuple[float, float]  # of X / cec, X the charge of an exchanger
    warm_start: Array            # (B + M, m) unknowns: of the last equilibrium, then of this one
    rate: Array                  # (B, m) 1/s, float32: their last change, of logarithms
    c: Array                     # (S, m) species, mol/m3 of water
    exchanged: Array             # (E, m) exchange species, mol/m3 of bulk
    gas: Array                   # (G, m) taken up from the gases, mol/m3 of bulk
    pH: Array                    # (m,)
    strength: Array              # (m,) ionic strength, mol/l

    @property
    def solid(self) -> Array:
        """(M, m) minerals, mol/m3 of bulk: the unknowns that are no logarithms."""
        return self.warm_start[len(self.rate):]


def extrapolate_warm_start(warm_start: np.ndarray, rate: np.ndarray,
                           elapsed: float) -> np.ndarray:
    """Return the unknowns (U, n) extrapolated over `elapsed` [s] with `rate` (B, n) [1/s].

    Linear, and only in voxels where no logarithm changes by more than MAX_EXTRAPOLATION: a phase
    or component that appears or vanishes does not change linearly.
    """
    start = warm_start.copy()
    if elapsed > 0:
        change = rate.astype(float) * elapsed
        start[:len(rate)] += np.where(np.abs(change).max(axis=0) <= MAX_EXTRAPOLATION, change, 0.0)
    return start
