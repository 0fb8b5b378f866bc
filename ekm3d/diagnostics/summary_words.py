"""Words for the keys of a summary: what each number means, its unit, and the group it belongs to.

    table(summary)              the lines that `ekm3d run` ends with
    entry("recovery_REE")       Entry("What came out", "REE recovered ...", "%", 100.0)

`summary.json` keeps its keys; this is for people. A key without words is shown as it is, at the
end.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ekm3d.text_table import table as text_table

OUT, PURITY, ENERGY = "What came out", "Purity", "Energy and current"
WATER, LEFT, BALANCES = "Water and reagent", "What stays in the ore", "Balances (0 is perfect)"
OTHER = "Other"
GROUPS = (OUT, PURITY, ENERGY, WATER, LEFT, BALANCES, OTHER)


class Entry(NamedTuple):
    """Meaning of one number: it is shown times `factor`, in `unit`."""

    group: str
    words: str
    unit: str = ""
    factor: float = 1.0


# Keys as regular expressions; \1 is what their first group found. The first that fits is taken,
# and their order is that of the printed table.
WORDS: dict[str, Entry] = {
    "recovery_REE": Entry(OUT, "REE recovered, of what was exchangeable", "%", 100.0),
    "recovery_(.+)": Entry(OUT, r"  \1 recovered, of all that was available", "%", 100.0),
    "REE_leachate_mg_per_kg": Entry(OUT, "REE in the leachate, per kg of ore", "mg/kg"),
    "REE_plate_mg_per_kg": Entry(OUT, "REE on the cathodes' plates, per kg of ore", "mg/kg"),
    "removal_REE_mean": Entry(OUT, "REE removed, mean of sampling points or of all ore", "%",
                              100.0),
    "removal_REE_min": Entry(OUT, "  at the point where least was removed", "%", 100.0),
    "removal_REE_max": Entry(OUT, "  at the point where most was removed", "%", 100.0),
    "removal_points_above_90_percent": Entry(OUT, "  points where more than 90 % was removed"),
    "purity_REE": Entry(PURITY, "REE in REE and impurities, leachate and plates", "%", 100.0),
    "purity_REE_leachate": Entry(PURITY, "  in the leachate", "%", 100.0),
    "purity_REE_plate": Entry(PURITY, "  on the plates", "%", 100.0),
    "impurity_mg_per_kg": Entry(PURITY, "impurities in the leachate, per kg of ore", "mg/kg"),
    "impurity_plate_mg_per_kg": Entry(PURITY, "impurities on the plates, per kg of ore", "mg/kg"),
    "energy_kWh": Entry(ENERGY, "electric energy", "kWh"),
    "energy_kWh_per_m3": Entry(ENERGY, "  per m3 of ore", "kWh/m3"),
    "energy_kWh_per_kg_REE": Entry(ENERGY, "  per kg of REE recovered", "kWh/kg"),
    "charge_C": Entry(ENERGY, "charge passed", "kC", 1e-3),
    "charge_over_REE": Entry(ENERGY, "charge passed over that of all exchangeable REE", "eq/eq"),
    "current_start_A": Entry(ENERGY, "current at the start", "A"),
    "current_end_A": Entry(ENERGY, "current at the end", "A"),
    r"current_stage(\d+)_(start|end)_A": Entry(
        ENERGY, r"  at the \2 of the schedule's stage no. \1", "A"),
    "leachate_L": Entry(WATER, "leachate collected", "l"),
    "water_fed_L": Entry(WATER, "water fed", "l"),
    "water_lost_L": Entry(WATER, "water lost: drains, evaporation, what the ground takes", "l"),
    "nh4_added_mol": Entry(WATER, "ammonium brought in, prewetting included", "mol"),
    "nh4_out_mol": Entry(WATER, "ammonium that left", "mol"),
    "dosed_(.+)_mol": Entry(WATER, r"acid dosed into the catholytes, as \1", "mol"),
    "gas_(.+)_mol": Entry(WATER, r"taken up from the air, as \1", "mol"),
    r"(well|side|boundary)_(.+)_(in|out|runoff)_water_L": Entry(
        WATER, r"  \1 \2, \3: water", "l"),
    r"(well|side|boundary)_(.+)_(in|out|runoff)_REE_mg_per_kg": Entry(
        WATER, r"  \1 \2, \3: REE, per kg of ore", "mg/kg"),
    r"(well|side|boundary)_(.+)_(in|out|runoff)_NH4_mol": Entry(
        WATER, r"  \1 \2, \3: ammonium", "mol"),
    "REE_initial_mg_per_kg": Entry(LEFT, "exchangeable REE before", "mg/kg"),
    "REE_hydroxide_in_ore_mg_per_kg": Entry(LEFT, "REE precipitated in the ore", "mg/kg"),
    "residual_N_mg_per_kg": Entry(
        LEFT, "nitrogen left in pore water, at the sampling points if there are any", "mg/kg"),
    "exchangeable_N_mg_per_kg": Entry(
        LEFT, "nitrogen left on clay, at the sampling points if there are any", "mg/kg"),
    "pH_min": Entry(LEFT, "lowest pH"),
    "pH_max": Entry(LEFT, "highest pH"),
    "ionic_strength_max_mol_per_l": Entry(LEFT, "highest ionic strength", "mol/l"),
    "block_model_difference": Entry(
        LEFT, "largest difference of the grid from the block models read", "%", 100.0),
    "mass_balance_max": Entry(BALANCES, "mass, worst component"),
    "charge_balance_max": Entry(BALANCES, "net charge, worst voxel"),
    "faraday_error": Entry(BALANCES, "Faraday's law, acid and base made against charge passed"),
    "water_balance_max": Entry(BALANCES, "water, worst voxel"),
    "energy_error_max": Entry(BALANCES, "energy, supply against heat and work"),
    "repeated_steps": Entry(BALANCES, "steps that were repeated, shorter"),
    "failed_writes": Entry(BALANCES, "writes that failed"),
    "audit_warnings": Entry(BALANCES, "warnings of the audits"),
}
STAGES = r"current_stage(\d+)_(start|end)_A"
NOTHING = "(no REE came out, but for rounding)"
MOST_STAGES = 8         # whose currents are shown one by one
# Keys of the first lines, and a text of its own.
HEAD = ("title", "time_h", "steps", "wall_s", "cells", "ore_kg", "ore_m3", "warning",
        "water_substeps")
# Keys of real space, which have one line of their own.
PLACE = ("crs", "rotation_deg", "real_origin_x_m", "real_origin_y_m", "real_origin_z_m")


def entry(key: str) -> Entry:
    """Return the meaning of a key; of the group OTHER, with the key as its words, if unknown."""
    for pattern, found in WORDS.items():
        match = re.fullmatch(pattern, key)
        if match:
            return found._replace(words=match.expand(found.words))
    return Entry(OTHER, key)


def table(summary: Mapping[str, Any]) -> str:
    """Return the summary in words with units, group by group; unknown values are "-"."""
    groups: dict[str, list[tuple[int, tuple[str, str, str]]]] = {name: [] for name in GROUPS}
    order = {pattern: n for n, pattern in enumerate(WORDS)}
    few, between = _few_stages(summary)
    for key, value in few.items():
        if key not in HEAD + PLACE:
            found = entry(key)
            rank = next((order[p] for p in WORDS if re.fullmatch(p, key)), len(order))
            unit = found.unit if value is not None else NOTHING if _nothing_came(key, summary) \
                else ""
            groups[found.group].append((rank, (found.words, number(value, found.factor), unit)))
    if between:
        groups[ENERGY].append((order[STAGES], between))
    lines = list(_head(summary))
    widest = max((len(row[0]) for rows in groups.values() for _, row in rows), default=0)
    for name, ranked in groups.items():
        rows = [row for _, row in sorted(ranked, key=lambda item: item[0])]
        if rows:
            lines += ["", name, *text_table([(f"{words:{widest}}", value, unit)
                                             for words, value, unit in rows], "<><")]
    return "\n".join(lines)


def _nothing_came(key: str, summary: Mapping[str, Any]) -> bool:
    """Return True where energy per REE is not known because next to no REE came out."""
    return (key == "energy_kWh_per_kg_REE" and summary.get("recovery_REE") is not None
            and bool(summary.get("energy_kWh")))


def _few_stages(summary: Mapping[str, Any]
                ) -> tuple[Mapping[str, Any], tuple[str, str, str] | None]:
    """Return a summary with the currents of the first and last stages, and a row for those between.

    Rotated rows make a stage of every turn.
    """
    found = {key: match for key in summary if (match := re.fullmatch(STAGES, key))}
    driven = sorted({int(match[1]) for match in found.values()})
    if len(driven) <= MOST_STAGES:
        return summary, None
    middle = driven[2:-2]
    left_out = {key for key, match in found.items() if int(match[1]) in middle}
    values = [summary[key] for key in left_out if summary[key] is not None]
    row = (f"  in stages no. {middle[0]} to {middle[-1]}",
           f"{number(min(values))} to {number(max(values))}" if values else "-", "A")
    return {key: value for key, value in summary.items() if key not in left_out}, row


def _head(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the title, the size of the run, and its warning."""
    if "title" in summary:
        yield str(summary["title"])
    if all(isinstance(summary.get(key), (int, float)) for key in HEAD[1:7]):
        water = summary.get("water_substeps")
        yield (f"  {summary['time_h']:g} h in {summary['steps']} steps, "
               f"{'' if water is None else f'its water in {water} sub-steps, '}"
               f"{number(summary['wall_s'])} s of wall time")
        small = summary["ore_m3"] < 0.1
        volume, mass = ("l", "kg") if small else ("m3", "t")
        factors = (1e3, 1.0) if small else (1.0, 1e-3)
        yield (f"  {number(summary['ore_m3'], factors[0])} {volume} of ore, "
               f"{number(summary['ore_kg'], factors[1])} {mass} dry, in {summary['cells']} voxels")
    if "rotation_deg" in summary:
        place = ", ".join(f"{summary[f'real_origin_{axis}_m']:.10g}" for axis in "xyz")
        yield (f"  in real space from ({place}) m, turned by {summary['rotation_deg']:g} degrees"
               f"{', ' + str(summary['crs']) if summary['crs'] else ''}")
    if summary.get("warning"):
        yield f"  warning: {summary['warning']}"


def number(value: Any, factor: float = 1.0) -> str:
    """Return a value of a summary as text with four digits; "-" if it is unknown."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) and factor == 1.0:
        return str(value)
    shown = value * factor
    if 9999.5 <= abs(shown) < 1e10:         # where four digits would take an exponent
        return f"{float(f'{shown:.4g}'):,.0f}"
    if shown and not 1e-3 <= abs(shown) < 1e10:
        return f"{shown:.1e}"
    return f"{shown:.4g}"
