"""Description of fields.vtkhdf in XDMF, for readers of before 2024: ParaView 5.11 and earlier.

    fields.xdmf     a collection of grids in time, whose arrays are rows of the datasets of the
                    HDF5 file beside it: nothing is stored twice

Where the case names a place in real space the grid lies there, but for a block that is turned,
which this format cannot say: it keeps the coordinates of the case, and Information items tell the
place.

The file is replaced as a whole after every snapshot. Format: XDMF 2, www.xdmf.org; HyperSlab items
(start, stride, count) select one row of a dataset (rows, nz, ny, nx[, 3]).
"""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import h5py
import numpy as np

from ekm3d.hdf5_file import opened
from ekm3d.output.real_space import reference_of

XDMF_SUFFIX = ".xdmf"
HEAD = """<?xml version="1.0"?>
<Xdmf Version="2.0"><Domain>
<Grid Name="block" GridType="Collection" CollectionType="Temporal">"""
TAIL = "</Grid></Domain></Xdmf>\n"
NUMBERS = {"f4": ("Float", "4"), "f8": ("Float", "8"), "i4": ("Int", "4"), "u1": ("UChar", "1")}


class XdmfFile:
    """Description of a file of snapshots, written anew beside it as the snapshots become more."""

    def __init__(self, fields: Path) -> None:
        self.steps: list[str] = []                      # the text of every step
        self.written = -1                               # number of steps in the file
        self.move(fields)

    def move(self, fields: Path) -> None:
        """Go on with the files at another path, where their directory has been moved to."""
        self.fields, self.path = fields, fields.with_suffix(XDMF_SUFFIX)

    def update(self, snapshots: int | None = None) -> None:
        """Describe what the file of snapshots holds now; OSError where it cannot be written.

        snapshots: their number; nothing is done where so many are described already.
        """
        if snapshots == self.written:
            return
        with opened(self.fields) as file:
            image = file["VTKHDF"]
            count = int(image["Steps"].attrs["NSteps"])
            self.steps += [ET.tostring(_grid(self.fields.name, image, n), "unicode")
                           for n in range(len(self.steps), count)]
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        draft.write_text("\n".join([HEAD, *self.steps, TAIL]), "utf-8")
        os.replace(draft, self.path)
        self.written = len(self.steps)


def _grid(file_name: str, image: h5py.Group, n: int) -> ET.Element:
    """Return the block at step n, with all its fields."""
    steps = image["Steps"]
    grid = ET.Element("Grid", Name=f"step {n}", GridType="Uniform")
    ET.SubElement(grid, "Time", Value=repr(float(steps["Values"][n])))
    points = np.asarray(image.attrs["WholeExtent"])[1::2][::-1] + 1
    ET.SubElement(grid, "Topology", TopologyType="3DCoRectMesh", Dimensions=_words(points))
    geometry = ET.SubElement(grid, "Geometry", GeometryType="ORIGIN_DXDYDZ")
    reference = reference_of(image)
    turned = reference.rotation != 0.0          # which this kind of grid cannot say
    origin = reference.origin if turned else reference.real_origin
    for values in (origin, image.attrs["Spacing"]):
        item = ET.SubElement(geometry, "DataItem", Dimensions="3", NumberType="Float",
                             Precision="8", Format="XML")
        item.text = _words(np.asarray(values)[::-1])
    if reference.given:
        for name, value in reference.facts().items():
            ET.SubElement(grid, "Information", Name=name,
                          Value=value if name == "crs" else _words(np.atleast_1d(value)))
    for name, data in image["CellData"].items():
        row = int(steps["CellDataOffsets"][name][n])
        _attribute(grid, file_name, data, name, row)
    return grid


def _attribute(grid: ET.Element, file_name: str, data: h5py.Dataset, name: str, row: int) -> None:
    """Add a field: one row of its dataset."""
    shape = data.shape[1:]
    number, precision = NUMBERS[data.dtype.str[1:]]
    attribute = ET.SubElement(grid, "Attribute", Name=name, Center="Cell",
                              AttributeType="Vector" if len(shape) == 4 else "Scalar")
    slab = ET.SubElement(attribute, "DataItem", ItemType="HyperSlab", Type="HyperSlab",
                         Dimensions=_words(shape))
    rank = len(data.shape)
    select = ET.SubElement(slab, "DataItem", Dimensions=f"3 {rank}", Format="XML")
    select.text = _words((row, *[0] * (rank - 1), *[1] * rank, 1, *shape))
    source = ET.SubElement(slab, "DataItem", Format="HDF", NumberType=number, Precision=precision,
                           Dimensions=_words((row + 1, *shape)))
    source.text = f"{file_name}:{data.name}"


def _words(numbers: np.ndarray | tuple) -> str:
    """Numbers as text, apart by spaces, exact."""
    return " ".join(repr(x) for x in np.asarray(numbers).tolist())
