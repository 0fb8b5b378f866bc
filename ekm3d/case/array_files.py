"""Arrays (nz, ny, nx) of voxel values in `.npy` and HDF5 files.

A .npy file that holds pickled objects is refused: reading it could run code. HDF5 is read by
`hdf5_child`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ekm3d.hdf5_child import Hdf5Child, check_numbers
from ekm3d.quoting import legible, quoted
from ekm3d.regular_file import opened

LARGEST = 2**40         # bytes of a file; its array is of the grid's size
MAGIC = b"\x93NUMPY"
NUMPY, HDF5 = (".npy",), (".h5", ".hdf5", ".hdf", ".vtkhdf")


def read_numpy(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float64 array of a .npy file.

    Raises ValueError, with a message for the user, if it cannot be read or has another shape.
    """
    _exists(path)
    name = Path(path).name
    try:
        with os.fdopen(opened(path, LARGEST), "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it is not one; save one array of numbers with numpy.save")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as e:                      # NumPy lets errors of the tokenizer through
        raise ValueError(f"cannot read {name} as a .npy file: {_reason(e)}") from None
    check_numbers(array, shape, name)
    return np.array(array, dtype=float, order="C")


def read_dataset(path: Path, name: str, shape: tuple[int, ...], child: Hdf5Child,
                 roots: Sequence[Path]) -> np.ndarray:
    """Return the float64 array of a dataset of an HDF5 file; raises as `read_numpy` does.

    child: the process that reads it; roots: folders of the files that it may be composed of.
    """
    _exists(path)
    name = name.strip("/")
    try:
        os.close(opened(path, LARGEST))
    except OSError as error:
        raise ValueError(f"cannot read {Path(path).name}: {error.strerror}") from None
    return child.read(path, name, shape, roots)


def _exists(path):
    """Check that there is a file; raises ValueError."""
    try:
        Path(path).stat()
    except (OSError, ValueError):           # a null byte in the path is a ValueError
        raise ValueError(f"there is no file {quoted(Path(path).name)} in "
                         f"{Path(path).parent}") from None


def _reason(error):
    """Return the reason of an error in one line."""
    return legible(getattr(error, "strerror", None) or str(error), 200)
