"""Results of a run for every block of a model that the case was made from.

    amount of a block  = sum over voxels of V(block and voxel) (dissolved + on clay + in solids)
    removed            = amount at the start - amount now

What is removed has left the block, for the leachate, a cathode, a side, or another block; recovery
is told for the run as a whole. Metal of electrodes counts as no ore.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.block_models import BlockModel, BlockModels
from ekm3d.case.extends import bases
from ekm3d.case.problems import MISSING, MissingValue
from ekm3d.case.schema import CaseFile
from ekm3d.case.toml_tables import parse
from ekm3d.case.toml_text import load
from ekm3d.constants import HOUR
from ekm3d.errors import InputError
from ekm3d.grid.overlap import pieces
from ekm3d.output.results import FIELDS_FILE, Results, open_results
from ekm3d.regular_file import Folders
from ekm3d.suggest import suggest

MG = 1e6                        # mg per kg
SHARES = (50, 90)               # per cent removed


@dataclass(frozen=True)
class BlockResults:
    """Columns of results of the blocks of a model, (n,) each, by name with the unit at the end.

    model: the blocks that lie in the grid; snapshots: their times [h].
    """

    model: BlockModel
    snapshots: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)


class Ore:
    """Ore of a run at its snapshots; ResultsError for what is not in the files."""

    def __init__(self, results: Results) -> None:
        self.results, self.directory = results, results.directory
        self.grid, self.times = results.grid, results.times / HOUR
        self.provenance = results.provenance
        if not len(self.times):
            raise InputError(f"{self.directory} holds no snapshot yet")

    @classmethod
    def of(cls, place: str | Path) -> "Ore":
        """Return the ore of the results in a directory, or in `out` of a case; ResultsError."""
        inner = Path(place) / "out"
        there = (Path(place) / FIELDS_FILE).is_file() or not (inner / FIELDS_FILE).is_file()
        return cls(open_results(place if there else inner))

    @property
    def rare_earths(self) -> list[dict[str, Any]]:
        """Components that count as rare earths, as `case_facts` has them."""
        return [entry for entry in self.provenance.get("facts", {}).get("components", ())
                if entry["group"] == "REE"]

    @cached_property
    def density(self) -> np.ndarray:
        """Dry density [kg/m3], flat; 0 in electrodes and air."""
        density = self.results.field("density", 0)
        metal = self.results.field("electrode_row") > 0
        return np.where(metal | ~(density > 0), 0.0, density).reshape(-1)

    def amount(self, label: str, n: int) -> np.ndarray:
        """Amount of a component in all phases at a snapshot [mol per m3 of rock], flat."""
        def values(name):
            return np.asarray(self.results.field(name, n), float).reshape(-1)

        total = values("water_content") * values(f"{label}_dissolved") \
            + values(f"{label}_exchanged") + values(f"{label}_solid")
        return np.where(self.density > 0, total, 0.0)

    def rare_earth_mass(self, n: int) -> np.ndarray:
        """Mass of all rare earths at a snapshot [kg per m3 of rock], flat."""
        return sum((c["molar_mass"] * self.amount(c["label"], n) for c in self.rare_earths),
                   np.zeros(self.density.size))


def models_of(run: Ore, directory: Path) -> BlockModels:
    """Return the block models of the case that was run, whose files lie in `directory`.

    InputError where the run does not tell its case.
    """
    text = run.provenance.get("case.toml")
    if text is None:
        raise InputError(f"{run.directory}: the results do not hold the text of their case")
    data, problems = load(text, tuple(run.provenance.get("overrides", ())))
    file = parse(CaseFile, data, problems)
    problems.raise_if_any()
    above = bases(directory)                # where the files of a case that extends another lie
    folders = Folders(directory, (*file.folders, *(str(base.absolute()) for base in above)),
                      problems.given, above)
    return BlockModels(file.block_model, run.grid, folders, problems, run.results.reference)


def model_of(run: Ore, directory: Path, name: str | None = None) -> BlockModel:
    """Return a block model of a run, by default the only one; InputError, or CaseError."""
    models = models_of(run, directory)
    names = [entry.name for entry in models.entries if entry.name is not MISSING]
    if not names:
        raise InputError(f"{run.directory}: the case has no [[block_model]], so that there are no "
                        "blocks to write results for")
    if name is None and len(names) > 1:
        raise InputError(f"the case has the block models {', '.join(names)}; choose one: --model")
    if name is not None and name not in names:
        raise InputError(f"there is no block model {name!r}{suggest(name, names)}")
    try:
        return models.model(name or names[0])
    except MissingValue:
        models.problems.raise_if_any()
        raise


def results_of(run: Ore, model: BlockModel) -> BlockResults:
    """Return the results of a run for the blocks of a model that lie in its grid; InputError."""
    ree = run.rare_earths
    if not ree:
        raise InputError(f"{run.directory}: no rare earths among the components, or their names "
                         "are not known")
    share = _shares(run, model)
    mass = share @ run.density
    out = BlockResults(model, run.times)
    volume = (model.high - model.low).prod(axis=1)
    inside = np.asarray(share.sum(axis=1)).reshape(-1)
    out.columns["in_grid_percent"] = 100.0 * inside / volume
    out.columns["dry_ore_t"] = 1e-3 * mass
    held = np.array([share @ run.rare_earth_mass(n) for n in range(len(run.times))])
    out.columns.update(_of(held[0], held[-1], mass, "REE"))
    for percent in SHARES:
        out.columns[f"time_to_{percent}_percent_h"] = time_to(percent / 100, run.times, held)
    if len(ree) > 1:
        for c in ree:
            first, last = (share @ (c["molar_mass"] * run.amount(c["label"], n)) for n in (0, -1))
            out.columns.update(_of(first, last, mass, c["label"]))
    return out


def _shares(run, model):
    """Return the volumes [m3] of blocks in voxels, a sparse matrix (blocks, voxels)."""
    from scipy.sparse import csr_matrix  # imported here: it costs 0.3 s

    parts = list(pieces(run.grid, model.low, model.high))
    box, voxel, volume = (np.concatenate(part) for part in zip(*parts, strict=True))
    return csr_matrix((volume, (box, voxel)), shape=(len(model.low), int(np.prod(run.grid.cells))))


def _of(first, last, mass, label):
    """Columns of what a block held, holds, and has lost [kg]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return {f"{label}_start_mg_per_kg": MG * first / mass,
                f"{label}_end_mg_per_kg": MG * last / mass,
                f"{label}_start_kg": first, f"{label}_left_kg": last,
                f"{label}_removed_kg": first - last,
                f"{label}_removed_percent": np.where(first > 0, 100.0 * (first - last) / first,
                                                     np.nan)}


def time_to(share: float, times: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Return the time [h] at which a share of what was held has left, NaN where it has not.

    times (m,) [h]; held (m, n): amounts at these times; straight lines between them.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        removed = 1.0 - held / held[0]
    out = np.full(held.shape[1], np.nan)
    for n in range(1, len(times)):
        now = np.isnan(out) & (removed[n] >= share)
        before, after = removed[n - 1, now], removed[n, now]
        out[now] = times[n - 1] + (times[n] - times[n - 1]) * (share - before) / (after - before)
    return out
