"""Print the tables of cases/hillside/README.md from finished runs, as Markdown.

    python scripts/tools/hillside_table.py "1 m"=runs/hillside "2 m"=runs/coarse

The first run's waters, way by way: m3, rare earths (kg), all salts (kg), nitrogen (kg of N); then
every run as a column.
"""

import sys

from ekm3d import open_results
from ekm3d.view.numbers import UNKNOWN
from ekm3d.view.run import Run

NITROGEN = 14.007e-3        # kg/mol
ROWS = (("REE recovered (%)", "recovery_REE", 100.0), ("LREE", "recovery_LREE", 100.0),
        ("HREE", "recovery_HREE", 100.0), ("REE in REE and impurities (%)", "purity_REE", 100.0),
        ("leachate (m3)", "leachate_L", 1e-3), ("water lost (m3)", "water_lost_L", 1e-3),
        ("run-off (m3)", "boundary_rain_runoff_water_L", 1e-3),
        ("energy (kWh)", "energy_kWh", 1.0),
        ("energy per REE (kWh/kg)", "energy_kWh_per_kg_REE", 1.0),
        ("charge over REE (% in eq)", "charge_over_REE", 100.0),
        ("lowest pH", "pH_min", 1.0), ("N in pore water (mg/kg)", "residual_N_mg_per_kg", 1.0),
        ("N on the clay (mg/kg)", "exchangeable_N_mg_per_kg", 1.0),
        ("mass, worst component", "mass_balance_max", 1.0),
        ("water, worst voxel", "water_balance_max", 1.0),
        ("net charge, worst voxel", "charge_balance_max", 1.0),
        ("Faraday's law", "faraday_error", 1.0), ("steps", "steps", 1.0))


def ways(run: Run) -> list[tuple[str, ...]]:
    """Return (way, water, REE, salts, N) of everything that enters or leaves, less what is 0."""
    found: list[tuple[str, ...]] = [("", "water m3", "REE kg", "all salts kg", "N kg")]
    for way in run.well_kinds():
        for to in ("in", "out", "runoff"):
            litres = run.last(f"{way}_{to}_water")
            if not litres or litres < 1e-3:
                continue
            moles = {c: run.last(f"{way}_{to}_{c.label}") or 0.0 for c in run.components}
            ree = sum(n * c.molar_mass for c, n in moles.items() if c.group == "REE")
            salts = sum(n * c.molar_mass for c, n in moles.items())
            nitrogen = sum(n for c, n in moles.items() if c.group == "ammonium") * NITROGEN
            name = way.partition("_")[2]
            found.append((f"{name}, {to}", *(f"{v:.3g}" for v in (1e-3 * litres, ree, salts,
                                                                  nitrogen))))
    return found


def cell(value: float | None, factor: float) -> str:
    """Return factor value; a run without rare earths in the leachate has no energy per kg."""
    return UNKNOWN if value is None else f"{value * factor:.3g}"


def main() -> None:
    """Print both tables."""
    runs = dict(word.split("=", 1) for word in sys.argv[1:])
    for one in (ways(Run.of(next(iter(runs.values())))), [
            ("", *runs), *((words, *(cell(open_results(place).summary[key], factor)
                                     for place in runs.values())) for words, key, factor in ROWS)]):
        print("\n".join("| " + " | ".join(row) + " |" for row in [
            one[0], tuple(["---", *["---:"] * (len(one[0]) - 1)]), *one[1:]]) + "\n")


if __name__ == "__main__":
    main()
