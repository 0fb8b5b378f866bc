"""Table of ekm3d/memory.md: every array that a run keeps, with its bytes per padded voxel.

    python scripts/tools/memory_table.py             write the table into the page
    python scripts/tools/memory_table.py --check     exit code 1 if the page is out of date

The field block of 48 000 voxels is set up, takes a step, and is looked at
(`ekm3d.model.memory_inventory`); nothing in the table is written down by hand.
"""

import sys
from pathlib import Path

import numpy as np
import reference_tables

from ekm3d import Case, Simulation
from ekm3d.model.memory_inventory import inventory
from ekm3d.resources import case_path

PAGE = Path(__file__).resolve().parents[2] / "ekm3d" / "memory.md"
SMALL = 0.5         # bytes per voxel: rarer ones share a row


def arrays() -> str:
    """Return the table of all that the device holds, the largest first, and the sum."""
    sim = Simulation(Case.read(case_path("field_saturated"), ("grid.spacing=5 cm",)), "cpp")
    sim.step()
    padded = float(np.prod(sim.grid.padded))
    held = {one.name: one.bytes / padded for one in inventory(sim) if one.on_device}
    rows = {name: per for name, per in held.items() if per >= SMALL}
    lines = [[f"`{name}`", f"{per:.1f}"] for name, per in rows.items()]
    lines += [["all others", f"{sum(held.values()) - sum(rows.values()):.1f}"],
              ["sum", f"{sum(held.values()):.0f}"]]
    return reference_tables.table(["array", "bytes per padded voxel"], lines)


if __name__ == "__main__":
    sys.exit(reference_tables.main(page=PAGE, tables={"arrays": arrays}))
