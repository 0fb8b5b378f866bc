"""Report of a resolved case as text, printed by `ekm3d check`."""


import numpy as np

from ekm3d.case.case_data import CaseData
from ekm3d.case.readings import text
from ekm3d.constants import HOUR
from ekm3d.retention_curves import PARAMETERS
from ekm3d.text_table import table

SHOWN = 40     # stages listed one by one
ROCK_UNITS = {"density": "kg/m3 (dry)", "porosity": "", "water_content": "", "tortuosity": "",
              "hydraulic_conductivity": "m/s", "electroosmosis": "m2/V/s", "dispersivity": "m",
              "transverse_dispersivity": "m", "surface_mobility": "",
              "cec": "eq/m3", "cec_slope": "eq/m3/pH", "electric_conductivity": "S/m",
              "current_source": "A/m3", "storage": "1/m"}


COUNTED = {"REE": "counted as REE", "impurity": "counted as impurities",
           "ammonium": "counted as ammonium"}


def description(case: CaseData) -> str:
    """Return all sections of the case in SI units, as aligned text."""
    parts = (_physics, _grid, _ground, _ore, _read, _inventory, _water, _chemistry, _remarks,
             _nonequilibrium, _electrodes, _wells, _boundaries, _sides, _schedule, _points)
    above = [f"extends {', '.join(map(str, case.bases))}"] if case.bases else []
    return "\n".join([case.title or str(case.path), *above,
                      *(line for part in parts for line in part(case))])


def _xyz(values):
    """Return "2 x 1.5 x 2"."""
    return " x ".join(f"{v:g}" for v in values)


def _range(values):
    """Return lowest, mean and highest of an array as text."""
    return tuple(f"{v:.4g}" for v in (values.min(), values.mean(), values.max()))


def _active(case, values):
    """Values of the voxels that take part, of an array (..., nz, ny, nx)."""
    return values if case.active is None else values[..., case.active]


def _amounts(table):
    """Return {name: amount} as text."""
    return ", ".join(f"{name} {amount:g}" for name, amount in table.items())


def _physics(case):
    """Processes that are on and off."""
    p = case.physics
    names = [name for name, key in type(p).model_fields.items() if isinstance(key.default, bool)
             and not (name == "unsaturated" and p.unsaturated and case.ore.retention is None)]
    on, off = (", ".join(n for n in names if getattr(p, n) is state) or "nothing"
               for state in (True, False))
    kept = f"moved by no more than {p.skip:g} of themselves" if p.skip else "did not move"
    return ["", "physics", *table([
        ("on", on), ("off", off), ("face concentrations", p.scheme),
        ("left as they are", f"voxels whose totals {kept}")], "<<")]


def _grid(case):
    """Block and voxels."""
    g = case.grid
    return ["", "grid", *table([
        ("block", f"{_xyz(g.size)} m from ({', '.join(f'{o:g}' for o in g.origin)}) m"),
        ("voxels", f"{_xyz(g.cells)} = {np.prod(g.cells):,} of {_xyz(g.spacing)} m, "
                   f"{g.voxel_volume:g} m3 each"),
        ("dry ore", f"{case.mass:g} kg"),
        ("pore volume", f"{case.pore_volume:g} m3")], "<<")]


def _ground(case):
    """Bodies on the grid: what rasterising has added or taken; and real space."""
    ground, reference, lines = case.ore.ground, case.reference, []
    if ground.bodies:
        rows = [("", "as given m3", "voxels", "of them m3", "added (+) or taken (-)")]
        for body in ground.bodies:
            count = round(body.on_grid / case.grid.voxel_volume)
            change = body.on_grid - body.volume
            share = f" ({100 * change / body.volume:+.2g} %)" if body.volume > 0 else ""
            rows.append((body.name, f"{body.volume:.6g}", f"{count:,}", f"{body.on_grid:.6g}",
                         f"{change:+.4g} m3{share}"))
        lines = ["", "bodies on the grid", *table(rows, "<>>>>")]
    if ground.active is not None:
        count = int((~ground.active).sum())
        lines.append(f"  {count:,} of {ground.active.size:,} voxels take no part; the range of "
                     "the ore and its inventory are those of the others")
    if reference.given:
        place = ", ".join(f"{v:.10g}" for v in reference.real_origin)
        lines += ["", "real space", *table([
            ("origin", f"({place}) m"), ("rotation", f"{reference.rotation:g} degrees"),
            ("crs", reference.crs or "not given")], "<<")]
    return lines


def _ore(case):
    """Range of every rock property."""
    rows = [("", "lowest", "mean", "highest", "")]
    for name, unit in ROCK_UNITS.items():
        values = getattr(case.ore, name)
        if values is not None:
            rows.append((name, *_range(_active(case, values)), unit))
        for axis, ratio in zip("zy", case.ore.along.get(name, ()), strict=False):
            rows.append((f"  along {axis}", *_range(_active(case, values * ratio)), unit))
    return ["", "ore", *table([*rows, *_retention(case)], "<>>><"),
            "  the CEC holds at pH "
            + ", ".join(f"{pH:g}" for pH in np.ravel(case.ore.reference_pH))]


def _retention(case):
    """Ranges of the retention curves' values, and of the pressure head at the start."""
    ground = case.ore.retention
    if ground is None:
        return []
    names = {"alpha": "1/m", "n": "", "residual": "", "saturated": "", "air_entry": "m"}
    values = [(name, ground.curve[PARAMETERS.index(name)], unit) for name, unit in names.items()]
    return [(f"retention: {name}", *_range(_active(case, of)), unit)
            for name, of, unit in (*values, ("pressure_head", ground.pressure_head, "m"))]


def _read(case):
    """Amounts of the mine's files, as read and as the grid holds them."""
    return text(case.readings)


def _inventory(case):
    """Amounts of components and minerals in the block."""
    chem, rows = case.chemistry, []
    for name, amounts in case.inventory().items():
        if any(amounts):
            kg = chem.molar_mass[chem.index(name)]
            held, total = amounts[0] * kg, sum(amounts)
            rows.append((name, *(f"{n:.4g}" for n in amounts), f"{total:.4g}", f"{total * kg:.4g}",
                         f"{1e6 * held / case.mass:.4g}"))
    for name, values in case.ore.minerals.items():
        moles = case.in_block(values).sum() * case.grid.voxel_volume
        rows.append((name, f"{moles:.4g}", *[""] * 5))
    head = ("", "exchangeable mol", "prewetting mol", "pore water mol", "total mol", "total kg",
            "exchangeable mg/kg")
    return ["", "inventory of the block (electrode voxels included)", *table([head, *rows], "<")]


def _water(case):
    """Amounts that differ from voxel to voxel; the others are in the inventory."""
    rows = [(name, *_range(_active(case, values)), unit) for amounts, unit in (
        (case.water.composition, "mol/m3"), (case.water.prewetting, "mol/kg"))
        for name, values in amounts.items() if np.ndim(values)]
    if not rows:
        return []
    return ["", "water", *table([("", "lowest", "mean", "highest", ""), *rows], "<>>><")]


def _chemistry(case):
    """Components, phases, and models of activity and exchange."""
    c = case.chemistry
    return ["", "chemistry", *table([
        ("components", " ".join(c.components)),
        ("species", f"{len(c.species)}, {len(c.exchange)} exchange species"),
        ("minerals", " ".join(c.minerals) or "none"),
        ("exchangers", ", ".join(f"{n} ({how})" for n, how in zip(c.exchangers, c.conventions,
                                                                strict=True))
         or "none"),
        ("gases", _amounts({f"{g} [atm]": p for g, p in zip(c.gases, c.pressure_g, strict=True)})
         or "none"),
        ("activity", _activity(c)),
        *((names, ", ".join(c.components[k] for k in c.group(group)) or "none")
          for group, names in COUNTED.items()),
        ("redox", "frozen: every valence is a component of its own")], "<<")]


def _activity(chem):
    """Activity model and the ionic strength up to which it holds."""
    if not np.any(chem.debye_A):
        return "ideal"
    name = "Davies" if (chem.size == 1).all() else "extended Debye-Hueckel"
    exchange = "; exchange species have coefficients too" if chem.debye_x.any() else ""
    return f"{name}, up to {chem.valid_strength:g} mol/l{exchange}"


def _remarks(case):
    """Parts of the database that are not used, and its suspect constants."""
    return ["", "remarks on the database", *(f"  {text}" for text in case.remarks)] \
        if case.remarks else []


def _nonequilibrium(case):
    """Processes away from equilibrium, response of the medium, mobilities."""
    response = [] if case.response is None else case.response.rows()
    mobility = [(f"mobility of {name}", f"{factor:g} of that in water")
                for name, factor in case.mobility.items()]
    rows = case.rates.rows() + response + mobility
    return ["", "rates, medium and mobility", *table(rows, "<<")] if rows else []


def _electrodes(case):
    """Electrode rows and what they share."""
    e = case.electrodes
    if not e.rows:
        return ["", "no electrodes"]
    rows = [("row", "electrodes", "centre x, y, z m", "contact ohm", "catholyte m3")]
    for row in e.rows:
        rows.append((row.name, row.count, ", ".join(f"{v:g}" for v in row.centre),
                     f"{row.contact_resistance:g} each", f"{row.catholyte_volume:g} each"))
    return ["", "electrodes", *table(rows, "<"), *_contacts(case), *table([
        *((f"overvoltage of {kind}", f"{law[0]:g} V + {law[1]:g} V ln(i / {law[2]:g} A/m2)")
          for kind, law in zip(("anodes", "cathodes"), e.tafel, strict=True) if law is not None),
        ("overpotential", f"{e.overpotential:g} V"),
        ("plate capture", f"{e.plate_capture:g} m/s per A/m2, film by the base of the "
         + e.plate_film),
        ("deposition", _amounts({f"{name} [1/s]": rate for name, rate in e.deposition.items()})
         if isinstance(e.deposition, dict) else f"{e.deposition:g} 1/s of every mineral"),
        *_treatment(e)], "<<")]


def _treatment(e):
    """Rows of the air over the catholytes and of the acid that holds their pH."""
    if e.air is not None:
        yield "air over each catholyte", (
            f"{e.air.species} up to {e.air.saturation:g} mol/m3 at {e.air.velocity:g} m/s, "
            f"{e.air.area:g} m2")
    if e.conditioning is not None:
        yield "catholyte of cathodes", f"held at pH {e.conditioning.pH:g} by {e.conditioning.acid}"


def _contacts(case):
    """Rods, contacts by their area and their ageing, of the rows that have any."""
    rows = []
    for row in case.electrodes.rows:
        parts = []
        if row.rods:
            rod = row.rods[0]
            shape = (f"round, radius {rod.radius:g} m" if rod.round else
                     f"{rod.width:g} x {rod.thickness:g} m, as a radius of {rod.radius:.4g} m")
            metres = sum(rod.length for rod in row.rods)
            parts.append(f"{len(row.rods)} rods, {metres:.4g} m in all, {shape}")
            if rod.resistance:
                parts.append(f"{rod.resistance:g} ohm/m, fed at {rod.fed}")
        if row.contact_resistivity:
            parts.append(f"contact {row.contact_resistivity:g} ohm m2")
        if any(row.ageing):
            parts.append("contact ages by {:g} m2/C and {:g} 1/s".format(*row.ageing))
        if parts:
            rows.append((row.name, "; ".join(parts)))
    return table(rows, "<<") if rows else []


def _wells(case):
    """Wells, or the statement that there are none."""
    if not case.wells:
        closed = not case.boundaries and all(
            side.flux is None and side.head is None for side in case.sides)
        return ["", "no wells" + ": the block is closed" * closed]
    rows = [("well", "kind", "at", "rate m3/s", "head m", "max_rate m3/s", "max_head m",
             "composition mol/m3")]
    for w in case.wells:
        rows.append((w.name, *_well(w)))
    return ["", "wells", *table(rows, "<<<>>>><"), *_wells_in_stages(case)]


def _well(w):
    """Cells of a well: kind, place, numbers, composition."""
    place = w.at or "box " + " - ".join("({:g}, {:g}, {:g})".format(*p) for p in w.box)
    numbers = ("" if v is None else f"{v:g}" for v in (w.rate, w.head, w.max_rate, w.max_head))
    return w.kind, place, *numbers, _amounts(w.composition)


def _wells_in_stages(case):
    """Wells that a stage changes."""
    changed = [(stage.name, w.name, now)
               for stage, wells in zip(case.schedule.stages, case.stage_wells, strict=True)
               for w, now in zip(case.wells, wells, strict=True) if now != w]
    if not changed:
        return []
    rows = [("in stage", "well", "kind", "at", "rate m3/s", "head m", "max_rate m3/s", "max_head m",
             "composition mol/m3")]
    rows += [(stage, name, *(("closed",) if now is None else _well(now)))
             for stage, name, now in changed]
    width = len(rows[0])
    return table([(*row, *[""] * (width - len(row))) for row in rows], "<<<<>>>><")


def _boundaries(case):
    """Parts of sides that pass water, and what stages change of them."""
    if not case.boundaries:
        return []
    rows = [("boundary", "kind", "face", "rate m/s", "head m", "conductance 1/s",
             "composition mol/m3")]
    rows += [(b.name, *_boundary(b)) for b in case.boundaries]
    for stage, changed in zip(case.schedule.stages, case.stage_boundaries, strict=True):
        for b, now in zip(case.boundaries, changed, strict=True):
            cells = ("closed", *[""] * 5) if now is None else _boundary(now)
            if cells != _boundary(b):
                rows.append((f"{b.name} in stage {stage.name}", *cells))
    return ["", "boundaries that pass water", *table(rows, "<<<>>><")]


def _boundary(b):
    """Cells of a boundary: kind, face, numbers, composition."""
    head = "" if b.head is None else " to ".join(
        f"{v:.4g}" for v in sorted({float(np.min(b.head.values)), float(np.max(b.head.values))}))
    numbers = ("" if b.rate is None else f"{b.rate:g}", head,
               "" if b.conductance is None else f"{b.conductance:g}")
    return b.law, b.face, *numbers, _amounts(b.composition)


def _sides(case):
    """Sides that are not closed."""
    if not case.sides:
        return []
    rows = [("side", "V", "A", "water m/s", "head m", "reservoir mol/m3", "contact",
             "flux mol/m2/s")]
    for s in case.sides:
        varies = np.ndim(s.potential) > 0
        volts = f"{s.potential.min():.4g} to {s.potential.max():.4g}" if varies else s.potential
        numbers = ("" if v is None else v if isinstance(v, str) else f"{v:g}"
                   for v in (volts, s.current, s.flux, s.head))
        water = "none" if s.composition is None else _amounts(s.composition) or "pure water"
        contact = "" if s.composition is None else s.contact
        rows.append((s.face, *numbers, water, contact, _amounts(s.component_flux)))
    return ["", "sides (into the block positive; the others are closed)", *table(rows, "<>>>><<<")]


def _schedule(case):
    """Stages and control of the time step."""
    rows, start = [("stage", "from h", "to h", "anodes", "cathodes", "V", "A", "at most V",
                    "pulse min", "floating")], 0.0
    stages = case.schedule.run_stages
    for s in stages[:SHOWN]:
        pulse = f"{s.on / 60:g} on, {s.off / 60:g} off" if s.off else "continuous"
        supply = ("" if v is None else f"{v:g}" for v in (
            s.voltage if s.current is None else None, s.current, s.limit))
        rows.append((s.name, f"{start / HOUR:g}", f"{(start + s.duration) / HOUR:g}",
                     ", ".join(s.anodes), ", ".join(s.cathodes), *supply,
                     pulse if s.voltage or s.current or s.supplies else "off",
                     ", ".join("+".join(group) for group in s.floating)))
        start += s.duration
    if len(stages) > SHOWN:
        hours = sum(s.duration for s in stages) / HOUR
        rows.append((f"... {len(stages)} stages in all, to {hours:g} h", *[""] * 9))
    rows += [(f"  supply {one.name} of {s.name}", "", "", ", ".join(one.anodes),
              ", ".join(one.cathodes), *("" if v is None else f"{v:g}" for v in (
                  one.voltage, one.current)), "" if one.power is None else f"{one.power:g} W",
              "", "") for s in case.schedule.stages for one in s.supplies]
    s = case.schedule
    steps = f"steps of at most {s.max_step:g} s" if s.fixed_step is None else \
        f"steps of {s.fixed_step:g} s"
    steps += "" if s.fixed_step else f" and at least {s.least_step:g} of a stage"
    return ["", f"schedule: pulses {s.pulses}, {steps}, order {s.order} in time, CFL {s.cfl:g}, "
            f"solver tolerance {s.tolerance:g}", *table(rows, "<>><<>>><<"), *_gradients(case)]


def _gradients(case):
    """Distance that every gradient was taken over."""
    return [f"  {s.name}: {s.gradient:g} V/m over {s.distance.metres:.4g} m between "
            f"{s.distance.between}" for s in case.schedule.stages if s.distance is not None]


def _points(case):
    """Points and output intervals."""
    lines = ["", f"{len(case.sampling)} sampling points, {len(case.probes)} probes"]
    lines += table([(p.name, ", ".join(f"{v:g}" for v in p.position) + " m")
                    for p in case.probes], "<<") if case.probes else []
    out = case.output
    return [*lines, f"snapshots every {out.snapshot_every / HOUR:g} h, "
            f"series every {out.series_every / HOUR:g} h, fields {out.mode}",
            *([f"begins at the end of the run in {case.start}"] if case.start else [])]
