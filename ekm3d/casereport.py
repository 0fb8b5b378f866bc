"""A resolved case as text: what `ekm3d check` prints."""

import numpy as np

from ekm3d.constants import HOUR

ROCK_UNITS = {"density": "kg/m3 (dry)", "porosity": "", "water_content": "", "tortuosity": "",
              "hydraulic_conductivity": "m/s", "electroosmosis": "m2/V/s", "dispersivity": "m",
              "cec": "eq/m3", "cec_slope": "eq/m3/pH"}


def description(case):
    """The case in SI units: grid, ore, inventory, electrodes, wells, stages, points, output."""
    return "\n".join([case.title or str(case.path), *_grid(case), *_ore(case), *_inventory(case),
                      *_chemistry(case), *_electrodes(case), *_wells(case), *_schedule(case),
                      *_points(case)])


def table(rows, align=""):
    """Lines of a table with columns as wide as needed; `align` holds < or > for each column."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    align = align.ljust(len(widths), ">")
    return ["  " + "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths)).rstrip()
            for row in rows]


def _xyz(values):
    return " x ".join(f"{v:g}" for v in values)


def _grid(case):
    g = case.grid
    return ["", "grid", *table([
        ("block", f"{_xyz(g.size)} m from ({', '.join(f'{o:g}' for o in g.origin)}) m"),
        ("voxels", f"{_xyz(g.cells)} = {np.prod(g.cells):,} of {_xyz(g.spacing)} m, "
                   f"{g.voxel_volume:g} m3 each"),
        ("dry ore", f"{case.mass:g} kg"),
        ("pore volume", f"{case.pore_volume:g} m3")], "<<")]


def _ore(case):
    rows = [("", "lowest", "mean", "highest", "")]
    for name, unit in ROCK_UNITS.items():
        values = getattr(case.ore, name)
        rows.append((name, *(f"{v:.4g}" for v in (values.min(), values.mean(), values.max())),
                     unit))
    return ["", "ore", *table(rows, "<>>><"),
            f"  the CEC holds at pH {case.ore.reference_pH:g}"]


def _inventory(case):
    chem, rows = case.chemistry, []
    for name, amounts in case.inventory().items():
        if any(amounts):
            kg = chem.molar_mass[chem.index(name)]
            held, total = amounts[0] * kg, sum(amounts)
            rows.append((name, *(f"{n:.4g}" for n in amounts), f"{total:.4g}", f"{total * kg:.4g}",
                         f"{1e6 * held / case.mass:.4g}"))
    for name, values in case.ore.minerals.items():
        rows.append((name, f"{values.sum() * case.grid.voxel_volume:.4g}", *[""] * 5))
    head = ("", "exchangeable mol", "prewetting mol", "pore water mol", "total mol", "total kg",
            "exchangeable mg/kg")
    return ["", "inventory of the block (electrode voxels included)", *table([head, *rows], "<")]


def _chemistry(case):
    c = case.chemistry
    return ["", "chemistry", *table([
        ("components", " ".join(c.components)),
        ("species", f"{len(c.species)}, {len(c.exchange)} exchange species"),
        ("minerals", " ".join(c.minerals) or "none")], "<<")]


def _electrodes(case):
    e = case.electrodes
    if not e.rows:
        return ["", "no electrodes"]
    rows = [("row", "electrodes", "centre x, y, z m", "contact ohm", "catholyte m3")]
    for row in e.rows:
        rows.append((row.name, len(row.boxes), ", ".join(f"{v:g}" for v in row.centre),
                     f"{row.contact_resistance:g} each", f"{row.catholyte_volume:g} each"))
    return ["", "electrodes", *table(rows, "<"), *table([
        ("overpotential", f"{e.overpotential:g} V"),
        ("plate capture", f"{e.plate_capture:g} m/s per A/m2"),
        ("deposition", f"{e.deposition:g} 1/s")], "<<")]


def _wells(case):
    if not case.wells:
        return ["", "no wells: the block is closed"]
    rows = [("well", "kind", "at", "rate m3/s", "head m", "max_rate m3/s", "composition mol/m3")]
    for w in case.wells:
        place = w.at or "box " + " - ".join("({:g}, {:g}, {:g})".format(*p) for p in w.box)
        numbers = ("" if v is None else f"{v:g}" for v in (w.rate, w.head, w.max_rate))
        water = ", ".join(f"{k} {v:g}" for k, v in w.composition.items())
        rows.append((w.name, w.kind, place, *numbers, water))
    return ["", "wells", *table(rows, "<<<>>><")]


def _schedule(case):
    rows, start = [("stage", "from h", "to h", "anodes", "cathodes", "V", "pulse min")], 0.0
    for s in case.schedule.stages:
        pulse = f"{s.on / 60:g} on, {s.off / 60:g} off" if s.off else "continuous"
        rows.append((s.name, f"{start / HOUR:g}", f"{(start + s.duration) / HOUR:g}",
                     ", ".join(s.anodes), ", ".join(s.cathodes), f"{s.voltage:g}",
                     pulse if s.voltage else "off"))
        start += s.duration
    s = case.schedule
    return ["", f"schedule: pulses {s.pulses}, steps of at most {s.max_step:g} s, CFL {s.cfl:g}, "
            f"solver tolerance {s.tolerance:g}", *table(rows, "<>><<><")]


def _points(case):
    lines = ["", f"{len(case.sampling)} sampling points, {len(case.probes)} probes"]
    lines += table([(p.name, ", ".join(f"{v:g}" for v in p.position) + " m")
                    for p in case.probes], "<<") if case.probes else []
    out = case.output
    return [*lines, f"snapshots every {out.snapshot_every / HOUR:g} h, "
            f"series every {out.series_every / HOUR:g} h"]
