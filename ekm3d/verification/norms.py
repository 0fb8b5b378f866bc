"""Error norms of a comparison and the observed order of convergence.

    order = ln(e1/e2) / ln(l1/l2)      errors e and lengths l of the last two runs
"""

from collections.abc import Sequence
from math import isnan, log, nan

import numpy as np

from ekm3d.verification.comparison import Pairs


def error(all_pairs: Sequence[Pairs], norm: str, scale: float | None) -> tuple[float, str]:
    """Return (error, name of the quantity with the largest one) of a run.

    norm: "max", "rms" or "mean" of |computed - expected| at each time, divided by `scale`, or by
    the largest |expected| of the quantity at all times where scale is None; the largest over
    times and quantities. "relative": |computed - expected| / max(|expected|, scale), its largest.
    nan as soon as one of them is nan.
    """
    largest, name = 0.0, ""
    for quantity in dict.fromkeys(p.quantity for p in all_pairs):
        same = [p for p in all_pairs if p.quantity == quantity]
        unit = scale or max(np.abs(p.expected).max() for p in same) or 1.0
        for p in same:
            value = _norm(np.abs(p.computed - p.expected), p.expected, norm, unit)
            if isnan(value):
                return nan, quantity
            if value >= largest:
                largest, name = value, quantity
    return largest, name


def _norm(difference: np.ndarray, expected: np.ndarray, norm: str, unit: float) -> float:
    if norm == "relative":
        return float((difference / np.maximum(np.abs(expected), unit)).max())
    if norm == "rms":
        return float(np.sqrt(np.mean(difference * difference)) / unit)
    return float((np.max(difference) if norm == "max" else np.mean(difference)) / unit)


def order(errors: Sequence[float], lengths: Sequence[float]) -> float:
    """Return the observed order between the last two runs; nan where none can be observed."""
    if len(errors) < 2 or not min(errors[-2:]) > 0.0 or lengths[-1] == lengths[-2]:
        return nan
    return log(errors[-2] / errors[-1]) / log(lengths[-2] / lengths[-1])
