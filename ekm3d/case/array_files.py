"""Voxel tables as arrays (nz, ny, nx) in `.npy` and HDF5 files.

Files are data: a .npy file that holds pickled objects is refused, not opened.
"""

from pathlib import Path

import h5py
import numpy as np

from ekm3d.suggest import suggest

MAGIC = b"\x93NUMPY"
NUMPY, HDF5 = (".npy",), (".h5", ".hdf5", ".hdf", ".vtkhdf")


def read_numpy(path, shape):
    """float64 array of that shape from a .npy file; ValueError in words for the user."""
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


def read_dataset(path, name, shape):
    """float64 array of that shape from a dataset of an HDF5 file; ValueError likewise."""
    _exists(path)
    file = Path(path).name
    try:
        with h5py.File(path, "r") as data:
            known = []
            data.visititems(lambda key, item: known.append(key)
                            if isinstance(item, h5py.Dataset) else None)
            if name.strip("/") not in known:
                raise ValueError(f"{file} has no dataset {name!r}" + suggest(name, known))
            return _numbers(data[name], shape, f"{file}: {name}")
    except (OSError, RuntimeError, TypeError, KeyError) as e:
        raise ValueError(f"cannot read {file} as HDF5: {_reason(e)}") from None


def _exists(path):
    try:
        Path(path).stat()
    except (OSError, ValueError):           # a null byte in the path is a ValueError
        raise ValueError(f"there is no file {Path(path).name!r} in "
                         f"{Path(path).parent}") from None


def _reason(error):
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:200]


def _numbers(array, shape, name):
    """The array as float64, if it holds numbers and has the right shape."""
    if array.shape != shape:
        raise ValueError(f"{name} has the shape {_shape(array.shape)}; the grid needs "
                         f"{_shape(shape)}, which is (nz, ny, nx)")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} holds {array.dtype}, not numbers")
    return np.array(array[...], dtype=float, order="C")


def _shape(shape):
    """(6, 4, 5) as text; None: a dataset without data."""
    return f"({', '.join(map(str, shape or ()))})"
