"""Arrays (nz, ny, nx) of voxel values in `.npy` and HDF5 files.

A .npy file that holds pickled objects is refused: reading it could run code.
"""

from pathlib import Path

import h5py
import numpy as np

from ekm3d.hdf5_file import opened
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest

MAGIC = b"\x93NUMPY"
NUMPY, HDF5 = (".npy",), (".h5", ".hdf5", ".hdf", ".vtkhdf")


def read_numpy(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float64 array of a .npy file.

    Raises ValueError, with a message for the user, if it cannot be read or has another shape.
    """
    _exists(path)
    name = Path(path).name
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it is not one; save one array of numbers with numpy.save")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as e:                      # NumPy lets errors of the tokenizer through
        raise ValueError(f"cannot read {name} as a .npy file: {_reason(e)}") from None
    return _numbers(array, shape, name)


def read_dataset(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the float64 array of a dataset of an HDF5 file; raises as `read_numpy` does."""
    _exists(path)
    file = Path(path).name
    try:
        with opened(path) as data:
            known: list[str] = []
            data.visititems(lambda key, item: known.append(key)
                            if isinstance(item, h5py.Dataset) else None)
            if name.strip("/") not in known:
                raise ValueError(f"{file} has no dataset {quoted(name)}" + suggest(name, known))
            return _numbers(data[name], shape, f"{file}: {name}")
    except (OSError, RuntimeError, TypeError, KeyError) as e:
        raise ValueError(f"cannot read {file} as HDF5: {_reason(e)}") from None


def _exists(path):
    """Check that there is a file; raises ValueError."""
    try:
        Path(path).stat()
    except (OSError, ValueError):           # a null byte in the path is a ValueError
        raise ValueError(f"there is no file {quoted(Path(path).name)} in "
                         f"{Path(path).parent}") from None


def _reason(error):
    """Return the reason of an error in one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200]


def _numbers(array, shape, name):
    """Return the array as float64; raises ValueError if it holds no numbers or does not fit."""
    if array.shape != shape:
        raise ValueError(f"{name} has the shape {_shape(array.shape)}; the grid needs "
                         f"{_shape(shape)}, which is (nz, ny, nx)")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} holds {array.dtype}, not numbers")
    return np.array(array[...], dtype=float, order="C")


def _shape(shape):
    """Return a shape as text, "(6, 4, 5)"; None is that of a dataset without data."""
    return f"({', '.join(map(str, shape or ()))})"
