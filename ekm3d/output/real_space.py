"""Real space in the files of a run: where the block lies, and how it is turned.

    /VTKHDF              Origin, Direction: of the block in real space, which VTK and ParaView show;
                         local_origin_m, rotation_deg, crs: the way back, see `GeoReference`
    /VTKHDF/FieldData    crs, rotation_deg, real_origin_m, local_origin_m: the same for programs
                         that read the file by VTK

A case that says nothing of real space leaves its files as they are.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ekm3d.grid.georeference import GeoReference
from ekm3d.hdf5_file import opened

ATTRIBUTES = ("Origin", "Direction", "local_origin_m", "rotation_deg", "crs")
FIELD_DATA, OFFSETS = "FieldData", "FieldDataOffsets"
STEPS = 1_000_000       # offsets, all 0 and none of them stored: more than there are snapshots


def write_reference(path: Path, reference: GeoReference) -> None:
    """Put the block of a file of snapshots into real space."""
    if not reference.given:
        return
    with opened(path, "r+") as file:
        root = file["VTKHDF"]
        root.attrs["Origin"] = np.array(reference.real_origin, "f8")
        root.attrs["Direction"] = reference.matrix.ravel()
        root.attrs["local_origin_m"] = np.array(reference.origin, "f8")
        root.attrs["rotation_deg"] = float(reference.rotation)
        root.attrs["crs"] = reference.crs
        group, offsets = root.require_group(FIELD_DATA), root["Steps"].require_group(OFFSETS)
        for name, value in reference.facts().items():
            if name not in group:
                kind = h5py.string_dtype("ascii") if name == "crs" else None
                group.create_dataset(name, data=np.array([value], kind), dtype=kind)
                offsets.create_dataset(name, (STEPS,), "i8", chunks=(1024,))


def carry(before: h5py.File, file: h5py.File) -> None:
    """Copy the place in real space of one file of snapshots to another."""
    old, new = before["VTKHDF"], file["VTKHDF"]
    if "rotation_deg" in old.attrs:
        for name in ATTRIBUTES:
            new.attrs[name] = old.attrs[name]
        old.copy(FIELD_DATA, new)
        old["Steps"].copy(OFFSETS, new["Steps"])


def reference_of(image: h5py.Group) -> GeoReference:
    """Return the place in real space of a group /VTKHDF."""
    origin = tuple(float(x) for x in image.attrs["Origin"])
    if "rotation_deg" not in image.attrs:
        return GeoReference(origin)
    return GeoReference(tuple(float(x) for x in image.attrs["local_origin_m"]), origin,
                        float(image.attrs["rotation_deg"]), str(image.attrs["crs"]))


def summary_entries(reference: GeoReference) -> dict[str, Any]:
    """Return what summary.json says of real space; nothing where the case does not."""
    if not reference.given:
        return {}
    place = dict(zip(("real_origin_x_m", "real_origin_y_m", "real_origin_z_m"),
                     reference.real_origin, strict=True))
    return {"crs": reference.crs or None, "rotation_deg": reference.rotation} | place
