"""Heads that injections need, against the ground there is.

An injection given as a rate takes whatever head drives it in. More than the ground offers (the
height from the bottom of the lowest opening to the top of the block) cannot be had from an open
well: it would overflow first.
"""

from typing import Any

import numpy as np

from ekm3d.diagnostics.run_view import HeadView
from ekm3d.grid.grid import GHOST


def well_heads(run: HeadView) -> dict[str, float | None]:
    """Head [m] that every injection needs for what it gives now; None where it is closed."""
    flow = run.flow
    out: dict[str, float | None] = {}
    for n, well in enumerate(run.case.wells):
        if well.kind != "injection":
            continue
        head = None
        if n < len(flow.wells) and flow.wells[n][0].voxel.size:
            place, inflow = flow.wells[n]
            head = flow.control.head_needed(n, inflow, run.domain.gather(run.state.head,
                                                                         place.voxel))
        out[well.name] = head
    return out


def lines(run: HeadView) -> list[str]:
    """Lines on the head that every injection of this stage needs, beside the ground there is.

    The head counts from the lowest outlet: a head, drain or collector well, or a side.
    """
    whole, flow = run.domain.whole, run.flow
    outlets = [_lowest(well.head, run.state.time) for well in flow.control.now
               if well is not None and well.head is not None]
    voxels = [place.voxel for place, _ in flow.wells if place.voxel.size]
    if not outlets or not voxels:
        return []
    layers = np.unravel_index(np.concatenate(voxels), whole.padded)[0] - GHOST
    ground = (whole.shape[0] - layers.min()) * whole.spacing_along(0)
    out = []
    for name, head in well_heads(run).items():
        if head is not None:
            need = head - min(outlets)
            over = bool(need > ground * (1 + 1e-9))
            out.append(f"  head of {name!r}: {need:.3g} m above the lowest outlet; from the lowest "
                       f"opening to the top of the block there are {ground:.3g} m"
                       + "; an open well would overflow, max_head limits it" * over)
    return out


def _lowest(head: Any, time: float) -> float:
    """Lowest head [m] of a well, or of a boundary whose Level may differ from face to face."""
    return float(np.min(head.at(time) if hasattr(head, "at") else head))
