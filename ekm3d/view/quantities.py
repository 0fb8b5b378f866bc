"""Quantities that pictures show: a title and a unit in words, colours, values of every voxel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ekm3d.output.results import ResultsError
from ekm3d.suggest import suggest
from ekm3d.view.numbers import round_limits
from ekm3d.view.run import Run


@dataclass(frozen=True)
class Quantity:
    """Scalar of every voxel: key, title, unit as printed, colour map, its values at a snapshot."""

    key: str
    title: str
    unit: str
    colours: str
    values: Callable[[Run, int], np.ndarray]
    fixed: tuple[float, float] | None = None        # range of the colours, where it is given

    @property
    def label(self) -> str:
        """Text of a colour bar."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def within(self, low: float, high: float) -> "Quantity":
        """Return the quantity with colours of a given range."""
        return replace(self, fixed=round_limits(low, high))

    def limits(self, run: Run, snapshots: Sequence[int]) -> tuple[float, float]:
        """Range of the colours over some snapshots: ore only, without the rarest 0.5 % a side."""
        if self.fixed is not None:
            return self.fixed
        ends = []
        for n in snapshots:
            values = self.values(run, n)
            values = values[np.isfinite(values)]
            if values.size:
                ends.append(np.percentile(values, (0.5, 99.5)))
        if not ends:
            return 0.0, 1.0
        low, high = np.min(ends, 0)[0], np.max(ends, 0)[1]
        return round_limits(0.0 if 0 < low < 0.3 * high else float(low), float(high))


def _field(name: str) -> Callable[[Run, int], np.ndarray]:
    return lambda run, n: run.field(name, n)


def _ree(run: Run, n: int) -> np.ndarray:
    """REE on clay, dissolved and, where they are in the file, in solids [mg/kg]."""
    solid = run.field("REE_hydroxide_mg_per_kg", n) if "REE_hydroxide_mg_per_kg" in run.names else 0
    return run.field("REE_mg_per_kg", n) + solid


def _size(name: str, scale: float = 1.0) -> Callable[[Run, int], np.ndarray]:
    return lambda run, n: scale * np.linalg.norm(run.field(name, n), axis=-1)


WORDS = {"1": "", "mg/kg": "mg per kg of ore", "mol/m3": "mol per m³", "V": "volt", "m": "metre",
         "A/m2": "ampere per m²", "m/s": "m/s", "S/m": "S/m"}
STANDARD = (
    Quantity("REE", "Rare earths left in the ore", "mg per kg of ore", "viridis", _ree),
    Quantity("pH", "pH of the pore water", "", "plasma", _field("pH")),
    Quantity("phi", "Electric potential", "volt", "viridis", _field("phi")),
    Quantity("current", "Current density", "ampere per m²", "inferno", _size("current_density")),
)


def standard(run: Run) -> tuple[Quantity, ...]:
    """Quantities that a run is shown by: REE, pH, potential, current, ammonium in the water."""
    needs = {"REE": "REE_mg_per_kg", "pH": "pH", "phi": "phi", "current": "current_density"}
    found = [q for q in STANDARD if needs[q.key] in run.names and _tells(q, run)]
    for c in run.group("ammonium"):
        name = f"{c.label}_dissolved"
        if name in run.names:
            found.append(Quantity(name, "Ammonium in the pore water", "mmol per litre", "viridis",
                                  _field(name)))
    return tuple(found)


def _tells(quantity: Quantity, run: Run) -> bool:
    """Return whether a quantity has a value other than 0 at the first or the last snapshot.

    Or at the last at which electrodes are driven.
    """
    return any(np.nan_to_num(quantity.values(run, n)).any()
               for n in (0, -1, run.driven(range(len(run.times)))))


def chosen(run: Run, names: Sequence[str]) -> tuple[Quantity, ...]:
    """Return quantities by name: those of `standard`, or fields of the file; ResultsError."""
    known = {q.key.lower(): q for q in standard(run)}
    out = []
    for name in names:
        if name.lower() in known:
            out.append(known[name.lower()])
        elif name in run.names:
            out.append(of_field(run, name))
        else:
            raise ResultsError(f"{run.directory}: no field {name!r}"
                               + suggest(name, [*(q.key for q in known.values()), *run.names]))
    return tuple(out)


def of_field(run: Run, name: str) -> Quantity:
    """Return the quantity of a field of the file; of a vector its size."""
    unit = run.names[name]
    vector = run.results.field(name, 0).ndim == 4
    return Quantity(name, name.replace("_", " ") + (", size" if vector else ""),
                    WORDS.get(unit, unit), "viridis", _size(name) if vector else _field(name))
