"""Heads that injections need, against the ground there is.

An injection given as a rate takes whatever head drives it in. More than the ground offers (the
height from the bottom of the lowest opening to the top of the block) cannot be had from an open
well: it would overflow first.
"""

from typing import Any

import numpy as np

from ekm3d.boundaries.wells import SideWell
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
            head = flow.control.head_needed(n, run.backend.to_numpy(inflow), run.domain.gather(
                run.state.head, place.voxel))
        out[well.name] = head
    return out


def lines(run: HeadView) -> list[str]:
    """Lines on the head that every injection of this stage needs, beside the ground there is.

    In full pores it counts from the lowest outlet, which is named: a head, drain or collector well,
    or a side. Where ore may be unsaturated heads are heights, and the level of an outlet (of the
    bedrock's water, for one) says nothing about the ground.
    """
    whole, flow = run.domain.whole, run.flow
    voxels = [place.voxel for place, _ in flow.wells if place.voxel.size]
    if not voxels:
        return []
    layers = np.unravel_index(np.concatenate(voxels), whole.padded)[0] - GHOST
    ground = (whole.shape[0] - layers.min()) * whole.spacing_along(0)
    heights = run.case.ore.retention is not None
    levels = [] if heights else [(float(well.head), _name(well, run)) for well in flow.control.now
                                 if well is not None and well.head is not None]
    if not levels and not heights:
        return []
    top = float(whole.origin[2] + whole.size[2])
    out = []
    for name, head in well_heads(run).items():
        if head is None:
            continue
        if heights:
            over = head > top + 1e-9 * ground
            text = f"height {head:.3g} m; the top of the block lies at {top:.3g} m"
        else:
            level, outlet = min(levels)
            over = head - level > ground * (1 + 1e-9)
            text = (f"{head - level:.3g} m above that of {outlet}, the lowest outlet; from the "
                    f"lowest opening to the top of the block there are {ground:.3g} m")
        out.append(f"  head of {name!r}: {text}"
                   + "; an open well would overflow, max_head limits it" * bool(over))
    return out


def _name(outlet: Any, run: HeadView) -> str:
    """Name of a well, or of a side through which water passes."""
    if isinstance(outlet, SideWell):
        return f"side {run.case.sides[outlet.number].face}"
    return repr(outlet.name)

