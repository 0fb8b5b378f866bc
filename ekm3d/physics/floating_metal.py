"""Floating metal: which of its faces split water by the potential of the ore around it.

A face carries a current only where the metal's level is more than half the voltage that splits
water above the ore (H+ is made, s = 1) or below it (OH-, s = -1); elsewhere s = 0. The conditions
are monotone, so that there is one answer, which is found by iteration.
"""

import numpy as np

SLACK = 1e-9     # of the voltage that splits water, which counts as rounding


def switched(above: np.ndarray, sign: np.ndarray, half: float, at_once: bool
             ) -> tuple[np.ndarray, np.ndarray]:
    """Return (numbers of the faces whose s differs from what the potentials say, their new s).

    above: level of the metal less phi and rest potential of the ore at its faces [V], sign: s now,
    both (n,); half: half the voltage that splits water [V]; at_once: all that differ, or the worst.
    """
    excess = np.abs(above) - half
    new = np.where(excess > SLACK * half, np.sign(above), 0.0)
    new = np.where((np.abs(excess) <= SLACK * half) & (np.sign(above) == sign), sign, new)
    differs = np.flatnonzero(new != sign)
    if differs.size and not at_once:
        differs = differs[[np.abs(excess[differs]).argmax()]]
    return differs, new[differs]
