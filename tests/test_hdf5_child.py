"""HDF5 files of others: whatever is wrong with them is a message, and never ends the program."""

import signal
import time

import h5py
import numpy as np
import pytest

from ekm3d.hdf5_child import Hdf5Child

SHAPE = (6, 4, 5)
DATA = np.arange(120.0).reshape(SHAPE)


@pytest.fixture
def child():
    made = Hdf5Child(60)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path):
    """A file with the data stored in several ways, links, and data of other files."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as f:
        f["v"], f["whole"], f["text"] = DATA, DATA.astype(int), np.array([b"x"])
        f.create_dataset("z", data=DATA, compression="gzip", chunks=(3, 4, 5))
        f["loop"], f["g/own"] = h5py.SoftLink("/loop"), 0
        f["g/g"] = f["g"]
        f["link"] = h5py.ExternalLink("other.h5", "/v")
        f.create_dataset("outer", shape=SHAPE, dtype="f8", external=[("other.bin", 0, 960)])
        for name, place in (("composed", "b.h5"), ("foreign", "/etc/hosts"), ("absent", "c.h5")):
            layout = h5py.VirtualLayout(SHAPE, dtype="f8")
            layout[...] = h5py.VirtualSource(place, "v", shape=SHAPE)
            f.create_virtual_dataset(name, layout)
    with h5py.File(tmp_path / "b.h5", "w") as f:
        f["v"] = DATA
    (tmp_path / "other.bin").write_bytes(b"\0" * 960)
    (tmp_path / "other.h5").write_bytes((tmp_path / "b.h5").read_bytes())
    return path


def test_data_come_as_they_are(child, file):
    for name in ("v", "z", "whole", "composed"):
        np.testing.assert_array_equal(child.read(file, name, SHAPE, [file.parent]), DATA)


@pytest.mark.parametrize("name, message", [
    ("loop", "has no dataset 'loop'"), ("link", "has no dataset 'link'"), ("g", "no dataset"),
    ("g/g/own", "has no dataset"), ("text", "the shape"), ("outer", "lie in another file"),
    ("foreign", "lies outside"), ("absent", "cannot read a.h5"), ("x" * 10**5, "no dataset")])
def test_links_and_data_of_other_files_are_not_followed(child, file, name, message):
    with pytest.raises(ValueError, match=message) as caught:
        child.read(file, name, SHAPE, [file.parent])
    assert len(str(caught.value)) < 500


def test_damaged_files_are_refused_or_read(child, file, rng):
    """150 copies with bytes of the first 4 KiB changed: numbers or a message, and no end of the
    program; cut files likewise."""
    good = file.read_bytes()
    bad = file.with_name("bad.h5")
    refused = 0
    for n in range(150):
        data = bytearray(good)
        for place in rng.integers(0, 4096, rng.choice([1, 5, 20])):
            data[place] = rng.integers(256)
        bad.write_bytes(bytes(data[:rng.integers(len(data))] if n % 5 == 0 else data))
        try:
            child.read(bad, str(rng.choice(["v", "z"])), SHAPE, [file.parent])
        except ValueError as error:
            refused += 1
            assert len(str(error)) < 500 and "\n" not in str(error)
    assert refused > 20


def test_a_bomb_of_compression_is_bounded_in_memory(child, tmp_path):
    """A chunk of 3 GB of zeros in 3 MB: the child, which has 1 GiB to spare, refuses it."""
    with h5py.File(tmp_path / "bomb.h5", "w") as f:
        f.create_dataset("v", shape=SHAPE, maxshape=(None, 4, 5), chunks=(18_000_000, 4, 5),
                         dtype="f8", compression="gzip")
        space = np.zeros(1, "u1")
        f["v"].id.write_direct_chunk((0, 0, 0), space.tobytes())
    with pytest.raises(ValueError, match="cannot read bomb.h5"):
        child.read(tmp_path / "bomb.h5", "v", SHAPE, [tmp_path])


def test_a_crash_and_a_hang_are_told_and_the_next_file_is_read(child, file):
    """SIGSEGV in the child, as of the library; then one that is stopped, as if it never ended."""
    child.read(file, "v", SHAPE, [file.parent])
    child._process.send_signal(signal.SIGSEGV)
    time.sleep(0.2)
    with pytest.raises(ValueError, match="crashes on it"):
        child.read(file, "v", SHAPE, [file.parent])
    np.testing.assert_array_equal(child.read(file, "v", SHAPE, [file.parent]), DATA)
    child.limit = 0.5
    child._process.send_signal(signal.SIGSTOP)
    with pytest.raises(ValueError, match=r"not come to an end within 0\.5 s"):
        child.read(file, "v", SHAPE, [file.parent])
