"""Checks across the sections of a case, and against the processes that are switched on."""

import re

from ekm3d.case.case_data import CaseData
from ekm3d.case.problems import MISSING, Problems
from ekm3d.case.retention import dry_electrodes
from ekm3d.case.sides import area
from ekm3d.grid.rasterise import outer_voxels
from ekm3d.quoting import quoted
from ekm3d.retention_curves import RESIDUAL

MOST = {"components": 100, "species": 2000, "exchange": 500, "minerals": 300, "gases": 50}
MOST_ROWS, MOST_SNAPSHOTS = 10_000_000, 100_000
OUTLETS = ("head", "drain", "collector")
INLETS = ("head",)


def check(case: CaseData, problems: Problems) -> None:
    """Add contradictions to the problems; a check whose values are missing is skipped."""
    for one in (_sizes, _names, _acidity, _chemistry_off, _storage, _carriers, _currents, _water,
                _columns, _intervals, _ground, dry_electrodes):
        problems.attempt(one, case, problems)


def _sizes(case, problems):
    """Check that the chemistry is one that a voxel can be solved with."""
    for kind, most in MOST.items():
        count = len(getattr(case.chemistry, kind))
        if count > most:
            problems.add(("chemistry", "components"), f"{count} {kind} take part, more than the "
                         f"{most} that are computed; choose fewer")


def _names(case, problems):
    """Check that names of the chemistry can head columns and name fields of the output."""
    chem = case.chemistry
    for kind in ("components", "labels", "species", "exchange", "minerals", "gases"):
        for name in getattr(chem, kind):
            if re.search(r"[/\\\"]|^\.*$", name) or not name.isprintable() or len(name) > 100:
                problems.add(("chemistry",), f"{quoted(name)} cannot name one of the {kind}: it "
                             "heads columns and names fields, so it must not hold a slash, a "
                             "quote, a control character or over 100 letters")


def _columns(case, problems):
    """Check that no two columns of the series have one name: rows, strips, probes, components."""
    owner = {"recovery_REE": "all rare earths"}
    paths = [(f"recovery_{label}", f"component {name}", ("chemistry", "components"))
             for name, label in zip(case.chemistry.components, case.chemistry.labels, strict=True)]
    paths += [(f"current_{row.name}", f"row {quoted(row.name)}", ("electrodes", "row", n))
             for n, row in enumerate(case.electrodes.rows)]
    paths += [(f"current_{row.name}.{s}", f"electrode {s} of row {quoted(row.name)}",
               ("electrodes", "row", n)) for n, row in enumerate(case.electrodes.rows)
              for s in range(1, row.count + 1)]
    paths += [(f"pH_catholyte_{row.name}", f"the catholyte of row {quoted(row.name)}",
               ("electrodes", "row", n)) for n, row in enumerate(case.electrodes.rows)]
    paths += [(f"pH_{probe.name}", f"probe {quoted(probe.name)}", ("probe", n, "name"))
              for n, probe in enumerate(case.probes)]
    for column, name, path in paths:
        if owner.setdefault(column, name) != name:
            problems.add(path, f"the column {column} of series.csv would be that of {name} and of "
                         f"{owner[column]}; give one of them another name")


def _intervals(case, problems):
    """Check that no interval of the output divides the run into more parts than anyone reads."""
    length = sum(stage.duration for stage in case.schedule.run_stages)
    for key, most, what in (("series_every", MOST_ROWS, "rows of series.csv"),
                            ("snapshot_every", MOST_SNAPSHOTS, "snapshots"),
                            ("checkpoint", MOST_SNAPSHOTS, "checkpoints")):
        every = getattr(case.output, key)
        if every is not None and length / every > most:
            problems.add(("output", key), f"{every:g} s makes {length / every:.2g} {what} in "
                         f"{length:g} s; {most:,} are the most: at least {length / most:.3g} s")


def _acidity(case, problems):
    """Check that a case with electrodes has H+, and reactions for the base of its cathodes."""
    if not case.electrodes.rows or not case.physics.transport:
        return
    if case.chemistry.hydrogen is None:
        problems.add(("chemistry", "components"), "H+ is missing; electrodes turn current into "
                     "acid and base, so a case with electrodes needs it")
    elif not case.physics.chemistry and case.physics.potential and any(
            stage is not MISSING and (stage.anodes or stage.cathodes or stage.floating)
            for stage in case.schedule.stages):
        problems.add(("physics", "chemistry"), "is off, and a stage drives electrodes: the base "
                     "that cathodes make would be H+ below zero, which carries no current; leave "
                     "it on (the package's database gives water its H+ and OH-), or switch off "
                     "physics.transport for the potential alone")


def _chemistry_off(case, problems):
    """Check that without reactions the components form no species, exchange or minerals."""
    if case.physics.chemistry:
        return
    chem = case.chemistry
    more = (*chem.species[len(chem.components):], *chem.exchange, *chem.minerals)
    if more:
        shown = ", ".join(more[:4]) + (", ..." if len(more) > 4 else "")
        problems.add(("physics", "chemistry"), f"is off, but the chosen components form {shown}; "
                     "take a database without species, exchange and minerals, or leave it on")


def _storage(case, problems):
    """Check that a case with transport has no storage."""
    storage = case.ore.storage
    if case.physics.transport and storage is not None and storage.any() \
            and case.ore.retention is None:
        problems.add(("ore", "storage"), "is above 0, and the water content of a case with "
                     "transport does not change; set physics.transport = false, or storage = 0")


def _currents(case, problems):
    """Check that the sides' currents balance where nothing else can take up the difference."""
    if case.electrodes.rows or case.ore.current_source is not None \
            or any(side.potential is not None for side in case.sides):
        return
    given = [(n, side.current) for n, side in enumerate(case.sides) if side.current]
    net = sum(current for _, current in given)
    if abs(net) > 1e-9 * sum(abs(current) for _, current in given):
        problems.add(("side", given[-1][0], "current"), f"the sides' currents add up to {net:g} A, "
                     "which cannot leave the block; let them balance, or give a side a potential")


def _carriers(case, problems):
    """Check that ions that can cross a side, or a given conductivity, carry its current."""
    if not case.physics.transport or case.ore.electric_conductivity is not None:
        return
    for n, side in enumerate(case.sides):
        key = "potential" if side.potential is not None else "current"
        if getattr(side, key) is None:
            continue
        if side.composition is None:
            problems.add(("side", n, key), "needs a composition on the same side, for ions to "
                         "carry the current; give one, or ore.conductivity, or switch off "
                         "physics.transport")
        elif side.contact == "advective":
            problems.add(("side", n, "contact"), f"is advective, so no ion crosses but with the "
                         f"water; with a {key} it must be diffusive")


def _water(case, problems):
    """Check that in every stage the water balances, or a head takes up the difference."""
    storage = case.ore.storage
    full = case.ore.retention is None
    if not case.physics.flow or not full or (storage is not None and storage.any()):
        return
    by_sides = [side.flux * _open_area(case, side) for side in case.sides
                if side.flux is not None]
    free = any(side.head is not None for side in case.sides)
    for n, stage in enumerate(case.schedule.stages):
        if stage is MISSING:
            continue
        wells = [well for well in case.stage_wells[n] if well is not None and _is_open(well, stage)]
        rates = by_sides + [well.rate for well in wells if well.kind == "injection"]
        net, slack = sum(rates), 1e-9 * sum(map(abs, rates))
        where, name = ("schedule", "stage", n), f"in stage {quoted(stage.name)} "
        if net > slack and not free and not any(w.kind in OUTLETS for w in wells):
            problems.add(where, f"water is injected but cannot leave ({net:g} m3/s {name[:-1]}); "
                         "open a head, drain or collector well, or give a side a head or a "
                         "negative flux that balances it")
        if net < -slack and not free and not any(w.kind in INLETS for w in wells):
            problems.add(where, f"water is drawn off but cannot enter ({-net:g} m3/s "
                         f"{name[:-1]}); open a well with a head, or give a side a head or a "
                         "flux that balances it")


def _open_area(case, side):
    """Area of a side of the block [m2], less that of columns of air."""
    whole = area(case.grid, side.axis)
    if case.active is None:
        return whole
    at = outer_voxels(case.grid.shape, case.active, side.axis, side.upper)
    return whole * float(case.active[at].mean())


def _ground(case, problems):
    """Check what unsaturated ground needs, and cannot be combined with."""
    if case.ore.retention is None:
        for n in range(len(case.boundaries)):
            problems.add(("boundary", n), "is one of ground that may be unsaturated; give "
                         "[ore.retention], or open the side by [[side]]" if case.physics.unsaturated
                         else "is one of ground that may be unsaturated, and physics.unsaturated "
                         "is off; switch it on, or leave the boundary out")
        return
    if not case.physics.flow:
        problems.add(("ore", "retention"), "needs physics.flow; switch it on, or leave it out")
    if case.response is not None and case.response.volumes is not None:
        problems.add(("physics", "medium", "porosity"), "follows the minerals' volumes, but the "
                     "pores of [ore.retention] keep theirs: retention curves are those of one "
                     "porosity; leave it out (salt and zeta may stay), or [ore.retention]")
    if case.rates.immobile is not None:
        residual = case.ore.retention.curve[RESIDUAL]
        still = case.rates.immobile[0] * case.ore.water_content
        over = case.in_block(still) > residual
        if over.any():
            problems.add(("ore", "immobile", "share"), f"{still[over][0]:.3g} of immobile water is "
                         f"more than ore.retention.residual ({residual[over][0]:.3g}), and water "
                         "that does not move does not drain either; lower the share or raise the "
                         "residual water content")


def _is_open(well, stage):
    """Return True if a well is open in a stage; wells at driven rows follow the stage."""
    return bool({"anodes": stage.anodes, "cathodes": stage.cathodes}.get(well.at, True))
