"""Facts of a case that its results need to be read alone: components, rows, openings, stages.

They are stored as JSON text in fields.vtkhdf, as /provenance/facts.json, so that a report knows
molar masses, what counts as rare earth, and which ways out are losses, without the case's files.
"""

from typing import Any

MOST_STAGES = 1000      # of a schedule that are listed


def case_facts(case: Any) -> dict[str, Any]:
    """Return plain data about a case, in SI units; case: a CaseData."""
    chem, schedule = case.chemistry, case.schedule
    columns = zip(chem.components, chem.labels, chem.groups, chem.charge, chem.molar_mass,
                  strict=True)
    return {
        "title": case.title,
        "description": case.description,
        "hydrogen": None if chem.hydrogen is None else chem.components[chem.hydrogen],
        "components": [{"name": name, "label": label, "group": group, "charge": float(charge),
                        "molar_mass": float(mass)} for name, label, group, charge, mass in columns],
        "rows": [row.name for row in case.electrodes.rows],
        "rods": [{"row": n, "start": list(rod.start), "end": list(rod.end), "radius": rod.radius}
                 for n, row in enumerate(case.electrodes.rows) for rod in row.rods],
        "openings": [{"name": opening.name, "kind": opening.kind, "way": opening.way,
                      "words": opening.words} for opening in case.openings],
        "readings": [reading.facts() for reading in case.readings],
        "sampling_points": len(case.sampling),
        "sides": [side.face for side in case.sides],
        "rocks": list(case.ore.ground.masks),
        "reference": case.reference.facts() if case.reference.given else {},
        "stages": [{"name": stage.name, "duration": stage.duration, "anodes": list(stage.anodes),
                    "cathodes": list(stage.cathodes)}
                   for stage in schedule.run_stages[:MOST_STAGES]],
    }
