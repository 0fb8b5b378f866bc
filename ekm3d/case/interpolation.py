"""Values of voxels from samples and drill holes, by kriging or as a realisation of a simulation.

Samples become scores (`scores`), every score has its variogram, given or fitted (`variogram`), and
is kriged or simulated at the centres of voxels. The seed follows from the number of the realisation
and the names of the columns: parts of one composition belong together, other columns do not.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ekm3d.case.schema_ore_files import Interpolation, VariogramEntry
from ekm3d.case.scores import NONE, PARTS, scores_of
from ekm3d.case.units import QuantityKind
from ekm3d.case.variogram import Kriging, Variogram, simulated, variogram

FRACTION = QuantityKind("", "500 mg/kg", 0.0, 1.0)      # parts of a composition, by mass


@dataclass(frozen=True)
class Between:
    """Values (m, columns) at places, and the variogram of every score."""

    values: np.ndarray
    variograms: tuple[Variogram, ...]


def between(points: np.ndarray, values: np.ndarray, spec: Interpolation, places: np.ndarray,
            columns: Sequence[str], realisation: int) -> Between:
    """Return the values at places (m, 3) [m] from samples.

    points (n, 3), values (n, columns): samples; realisation: 0 for kriging, else its number.
    ValueError where samples do not allow it.
    """
    kind = PARTS if spec.parts else spec.transform
    if realisation and kind == NONE:
        raise ValueError("a realisation (ore.realisation) of values without transform may be below "
                         'zero; add transform = "log" or "normal score", or parts = [...]')
    _, first, count = np.unique(points, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        where = ", ".join(f"{v:g}" for v in points[first[np.argmax(count > 1)]])
        raise ValueError(f"two samples lie at ({where}) m")
    scores = scores_of(values, kind)
    entry = spec.variogram or VariogramEntry()
    models, estimates, spreads = [], [], []
    for k, own in enumerate(scores.scores.T):
        model = variogram(entry, points, own)
        if realisation:
            seed = realisation, zlib.crc32("\n".join(columns).encode()), k
            estimates.append(simulated(model, points, own, places, seed))
            spreads.append(np.zeros(len(places)))
        else:
            found, spread = Kriging(model, points, own).at_places(places, kind != NONE)
            estimates.append(found)
            spreads.append(spread)
        models.append(model)
    shape = len(places), len(models)
    at = np.array(estimates).T.reshape(shape)
    out = scores.mean_of(at, np.array(spreads).T.reshape(shape)) if not realisation \
        else scores.original(at)
    if kind == NONE:
        out = np.clip(out, values.min(axis=0), values.max(axis=0))
    return Between(out, tuple(models))
