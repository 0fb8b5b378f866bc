"""Scores of samples: what kriging and simulation work with, and the way back to values.

    none          y = v
    log           y = ln v
    normal score  y = the quantile of the normal distribution of v's rank (linear between samples)
    parts         y_i = ln (v_i / (1 - sum v)): log-ratios of mass fractions to the rest of the rock

The columns of y are rotated to uncorrelated ones of variance 1, the scores. On the way back the
mean over the kriging variance of every score is taken, by points at sqrt(p + k) standard deviations
(of degree 3 and more; Julier and Uhlmann 1997), as the mean of a logarithm is not that of a grade.
All but "none" give values above 0, and parts whose sum is below 1.
"""

from dataclasses import dataclass

import numpy as np

NONE, LOG, NORMAL, PARTS = "none", "log", "normal score", "parts"


@dataclass(frozen=True)
class Scores:
    """Scores (n, p) of values (n, parts), and how they were made.

    sorted: the values in ascending order, and their normal scores, of one part.
    """

    kind: str
    values: np.ndarray
    scores: np.ndarray
    mean: np.ndarray
    back: np.ndarray                    # (p, parts): y = mean + scores @ back
    sorted: tuple[np.ndarray, np.ndarray]

    def original(self, scores: np.ndarray) -> np.ndarray:
        """Return the values (m, parts) of scores (m, p)."""
        y = self.mean + scores @ self.back
        if self.kind == LOG:
            return np.exp(y)
        if self.kind == NORMAL:
            return np.interp(y, self.sorted[1], self.sorted[0])
        if self.kind == PARTS:
            top = np.maximum(y.max(axis=1, keepdims=True), 0.0)     # no overflow
            ratio = np.exp(y - top)
            return ratio / (np.exp(-top) + ratio.sum(axis=1, keepdims=True))
        return y

    def mean_of(self, scores: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Return the mean value (m, parts) over scores (m, p) that have a variance (m, p)."""
        if self.kind == NONE:
            return self.original(scores)
        p = scores.shape[1]
        centre = max(3 - p, 0)
        out = centre / (p + centre) * self.original(scores)
        for k in range(p):
            away = np.zeros_like(scores)
            away[:, k] = np.sqrt((p + centre) * variance[:, k])
            out += 0.5 / (p + centre) * (self.original(scores + away)
                                         + self.original(scores - away))
        return out


def scores_of(values: np.ndarray, kind: str) -> Scores:
    """Return the Scores of values (n, parts); ValueError where they have none."""
    ranked = values[:0, 0], values[:0, 0]
    if kind in (LOG, PARTS) and not (values > 0).all():
        raise ValueError("a sample is 0, and has no logarithm; fill = ... or another transform")
    if kind == PARTS and not (values.sum(axis=1) < 1).all():
        raise ValueError("parts of a sample sum to more than the whole rock")
    if kind == LOG:
        y = np.log(values)
    elif kind == PARTS:
        y = np.log(values / (1.0 - values.sum(axis=1, keepdims=True)))
    elif kind == NORMAL:
        y, ranked = _normal(values[:, 0])
    else:
        y = values
    mean = y.mean(axis=0)
    spread, turned = np.linalg.eigh(np.atleast_2d(np.cov(y.T, bias=True)))
    keep = spread > 1e-12 * max(float(spread.max()), 1e-300)
    if not spread.max() > 0:
        keep[:] = False                     # all samples are the same
    turned, root = turned[:, keep], np.sqrt(spread[keep])
    turned = turned * np.where(turned[np.abs(turned).argmax(axis=0),
                                      np.arange(turned.shape[1])] < 0, -1.0, 1.0)
    return Scores(kind, values, (y - mean) @ turned / root, mean, (turned * root).T, ranked)


def _normal(values):
    """Return normal scores (n, 1), and the sorted values with theirs."""
    from scipy.special import ndtri  # imported here: it costs 0.1 s

    known, inverse, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - 0.5 * count           # equal values share the middle of their ranks
    normal = ndtri(rank / len(values))
    return normal[inverse][:, None], (known, normal)
