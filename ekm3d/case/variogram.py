"""Variograms: given or fitted, with anisotropy, as models of GSTools; kriging and simulation.

    kriging     m + c(x)' K^-1 (z - m),  m = 1' K^-1 z / 1' K^-1 1           ordinary kriging
                variance C(0) - c' K^-1 c
    simulation  s(x) + kriging of (z - s(x_i) - e_i) at x                    (Journel 1974)

As s + C' K^-1 (z - s) has mean and covariance of simple kriging, given the samples, this draws from
the distribution of sequential Gaussian simulation with all samples and nodes as neighbours.

z: standardised samples at x_i; c, K: covariances of the place with the samples, and among them,
with the nugget on the diagonal. s: a random field of GSTools (randomisation method, Hesse et al.
2014; of some models with waves of `field_waves`), whose value at a place depends on its seed
and on the place alone: a realisation is the same on every grid. The nugget is what varies within a
voxel: samples have it (e_i), voxels do not.

Ranges are practical ones as in GSLIB: spherical 1 - 1.5 h + 0.5 h^3 up to h = 1, exponential
exp(-3 h), Gaussian exp(-3 h^2), with h the distance over the range of its direction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.case.block_files import package
from ekm3d.case.field_waves import model as with_waves
from ekm3d.case.schema_ore_files import VariogramEntry

RESCALE = {"spherical": 1.0, "exponential": 3.0, "gaussian": 3.0**0.5}
CLASSES = {"spherical": "Spherical", "exponential": "Exponential", "gaussian": "Gaussian"}
DRAWN = ("spherical", "exponential")        # whose waves are drawn by `field_waves`
MOST = 4000             # samples: their matrix takes 128 MB
PRODUCTS = 2**22        # distances at a time
BINS, LEAST = 12, 10    # classes of distance of a fitted variogram; samples that it needs
ROUNDS = 3              # in which ranges along axes are fitted
TOLERANCE = np.pi / 6   # angle about an axis, of a variogram along it


@dataclass(frozen=True)
class Variogram:
    """Variogram of standardised samples.

    ranges: along its three axes [m]; axes: (3, 3) unit vectors in rows; nugget, sill: in variances
    of the samples, the sill with the nugget; fitted: True where the samples gave it.
    """

    model: str
    ranges: tuple[float, ...]
    axes: np.ndarray
    nugget: float
    sill: float
    fitted: bool = False

    def reduced(self, points: np.ndarray) -> np.ndarray:
        """Return points (n, 3) in ranges along the axes, where the variogram is isotropic."""
        return np.asarray(points, float) @ self.axes.T / np.array(self.ranges)

    def gstools(self) -> Any:
        """Return the model of GSTools, of reduced places, without the nugget."""
        gs = package("gstools", "gstools", "a variogram")
        name = CLASSES[self.model]
        law = with_waves(name) if self.model in DRAWN else getattr(gs, name)
        return law(
            dim=3, var=self.sill - self.nugget, len_scale=1.0, rescale=RESCALE[self.model])

    def text(self) -> str:
        """Return the variogram in words."""
        how = "fitted " if self.fitted else ""
        return (f"{how}{self.model}, range " + " x ".join(f"{r:.4g}" for r in self.ranges)
                + f" m, nugget {self.nugget:.3g} of sill {self.sill:.3g}")


def axes_of(azimuth: float, dip: float) -> np.ndarray:
    """Return unit vectors (3, 3) in rows: along the azimuth, across it to the left, and upwards.

    azimuth: degrees clockwise from y (north), 90 for x; dip: degrees down along the azimuth.
    """
    a, d = np.radians([azimuth, dip])
    along = np.array([np.sin(a) * np.cos(d), np.cos(a) * np.cos(d), -np.sin(d)])
    across = np.array([-np.cos(a), np.sin(a), 0.0])
    axes = np.array([along, across, np.cross(along, across)])
    axes[np.abs(axes) < 1e-15] = 0.0
    return axes


def variogram(entry: VariogramEntry, points: np.ndarray, values: np.ndarray) -> Variogram:
    """Return the variogram that a case gives, fitted to samples where it gives no range.

    points (n, 3) [m]; values (n,) standardised. ValueError where it cannot be fitted.
    """
    axes = axes_of(entry.azimuth, entry.dip)
    if entry.range is not None:
        sill = 1.0 if entry.sill is None else entry.sill
        return Variogram(entry.model, tuple(entry.range), axes, sill * (entry.nugget or 0.0), sill)
    if len(points) < LEAST:
        raise ValueError(f"{len(points)} samples are too few to fit a variogram, which needs "
                         f"{LEAST}; give its range")
    return _fitted(entry, points @ axes.T, values, axes)


def _fitted(entry, along, values, axes):
    """Fit a variogram to samples at places `along` its axes."""
    if entry.ratios == "fitted":
        model, lengths = _by_axis(entry, along, values)
    else:
        ratios = np.ones(3) if entry.ratios is None else np.array(entry.ratios)
        model = _fit(entry, along / ratios, values)
        lengths = model.len_scale * ratios
    total = float(model.var + model.nugget)
    sill = total if entry.sill is None else entry.sill
    nugget = float(model.nugget) / total if entry.nugget is None else entry.nugget
    return Variogram(entry.model, tuple(map(float, lengths)), axes, sill * nugget, sill, True)


def _by_axis(entry, along, values):
    """Fit the range along every axis, in turns: each in places reduced by the ranges found before.

    The axis of the shortest reach comes first, and gives sill and nugget to the others.
    """
    lengths, model = np.ptp(along, axis=0), None
    if not (lengths > 0).all():
        raise ValueError("all samples lie in one plane, so that their variogram across it is not "
                         "known; give range or ratios")
    order = np.argsort(lengths)
    for _ in range(ROUNDS):
        model, places, found = None, along / lengths, np.ones(3)
        for d in order:
            own = _fit(entry, places, values, np.eye(3)[d], np.ptp(places[:, d]) / 2, model)
            found[d], model = own.len_scale, model or own
        lengths = lengths * found
    return model, lengths


def _fit(entry, places, values, direction=None, far=None, like=None):
    """Return a fitted model of GSTools; like: one whose sill and nugget it has."""
    gs = package("gstools", "gstools", "a variogram")
    far = far or np.linalg.norm(np.ptp(places, axis=0)) / 2
    how = {} if direction is None else {"direction": [direction], "angles_tol": TOLERANCE}
    model = getattr(gs, CLASSES[entry.model])(dim=3, rescale=RESCALE[entry.model])
    model.set_arg_bounds(len_scale=[far / BINS / 2, 2 * far])
    # The sill is the variance of the samples: free, it would trade with range and nugget.
    fixed = {"sill": 1.0} if entry.nugget is None else {
        "var": 1.0 - entry.nugget, "nugget": entry.nugget}
    if like is not None:
        fixed = {"var": like.var, "nugget": like.nugget}
    try:
        centres, gamma, counts = gs.vario_estimate(
            places.T, values, np.linspace(0.0, far, BINS + 1), return_counts=True, **how)
        gamma, counts = np.ravel(gamma), np.ravel(counts)
        there = counts > 0
        if there.sum() < 3:
            raise ValueError("too few pairs of samples")
        model.fit_variogram(centres[there], gamma[there], max_eval=5000, **fixed,
                            weights=np.sqrt(counts[there]) / centres[there])
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"no variogram could be fitted ({error}); give its range") from None
    return model


class Kriging:
    """Kriging of standardised samples: points (n, 3) [m], values (n,); ValueError where singular.

    mean: of the field where it is known (simple kriging), else it is estimated.
    """

    def __init__(self, model: Variogram, points: np.ndarray, values: np.ndarray,
                 mean: float | None = None):
        if len(points) > MOST:
            raise ValueError(f"{len(points)} samples are more than the {MOST} that kriging takes; "
                             "composite them to longer intervals")
        self.model, self.at = model, model.reduced(points)
        self.gstools = model.gstools()
        matrix = self._covariance(self.at) + (model.nugget + 1e-12 * model.sill) * np.eye(
            len(points))
        try:
            self.root = np.linalg.inv(np.linalg.cholesky(matrix))      # K^-1 = root' root
        except np.linalg.LinAlgError:
            raise ValueError("samples lie so close together that the variogram "
                             f"({model.text()}) cannot tell them apart; give it a nugget"
                             ) from None
        ones = self.root.T @ (self.root @ np.ones(len(points)))
        self.mean = float(ones @ values / ones.sum()) if mean is None else mean
        self.weights = self.root.T @ (self.root @ (values - self.mean))

    def _covariance(self, places):
        """Covariance (m, n) of reduced places (m, 3) with the samples."""
        away = np.zeros((len(places), len(self.at)))
        for d in range(3):
            away += np.subtract.outer(places[:, d], self.at[:, d])**2
        return np.asarray(self.gstools.covariance(np.sqrt(away)))

    def at_places(self, places: np.ndarray, variance: bool = False
                  ) -> tuple[np.ndarray, np.ndarray]:
        """Return (estimate, variance) at places (m, 3) [m]; the variance is 0 if not asked for."""
        out, spread = np.empty(len(places)), np.zeros(len(places))
        for part in pieces(len(places), len(self.at)):
            c = self._covariance(self.model.reduced(places[part]))
            # a sum of its own for every place, in one order, whatever the piece
            out[part] = self.mean + np.einsum("ij,j->i", c, self.weights)
            if variance:
                half = self.root @ c.T
                spread[part] = np.maximum(self.model.sill - self.model.nugget
                                          - np.einsum("ij,ij->j", half, half), 0.0)
        return out, spread


def pieces(count: int, samples: int) -> Iterator[slice]:
    """Yield slices of places that bound the memory of their distances to the samples."""
    step = max(1, PRODUCTS // max(samples, 1))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def simulated(model: Variogram, points: np.ndarray, values: np.ndarray, places: np.ndarray,
              seed: Sequence[int]) -> np.ndarray:
    """Return a conditional simulation at places (m, 3) [m]; the same seed, the same field.

    points (n, 3), values (n,): standardised samples. ValueError as of Kriging.
    """
    gs = package("gstools", "gstools", "a simulation")
    state = np.random.SeedSequence(list(seed)).generate_state(2)
    field = gs.SRF(model.gstools(), seed=int(state[0] >> 1))
    noise = np.random.default_rng(int(state[1])).normal(0.0, model.nugget**0.5, len(points))

    def free(where):
        """Unconditional field at places [m]."""
        return np.asarray(field(model.reduced(where).T, store=False))

    rest = Kriging(model, points, values - free(points) - noise, mean=0.0)
    out = np.empty(len(places))
    for part in pieces(len(places), len(points)):
        out[part] = free(places[part])
    return out + rest.at_places(places)[0]
