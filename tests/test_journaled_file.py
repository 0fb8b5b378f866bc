"""Files that are changed as a whole: a process that dies at every single call of the system."""

import os

import h5py
import numpy as np
import pytest
from helpers.vtkhdf_block import CALCIUM, FLUX, GRID, PHI, block

from ekm3d.hdf5_file import opened
from ekm3d.journaled_file import JournaledFile, journal_of, recover
from ekm3d.output.vtkhdf import Snapshots

CALLS = ("pwrite", "ftruncate", "fsync", "replace", "unlink")


def die_at(number, action):
    """Do something in a process that ends, as by kill -9, at its call `number`; True if it did."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    count = 0

    def counted(call):
        def made(*arguments, **options):
            nonlocal count
            count += 1
            if count == number:
                os._exit(9)
            return call(*arguments, **options)
        return made

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    try:
        action()
    finally:
        os._exit(0)


def contents(path):
    """(times, all of phi) as a reader of the program sees them."""
    with opened(path) as file:
        rows = int(file["VTKHDF/Steps"].attrs["NSteps"])
        assert len(file["VTKHDF/Steps/Values"]) == rows
        return list(file["VTKHDF/Steps/Values"][()]), [
            file["VTKHDF/CellData/phi"][row].tobytes() for row in range(rows)]


@pytest.mark.parametrize("before", [1, pytest.param(64, marks=pytest.mark.slow)])
def test_no_call_at_which_a_process_dies_loses_a_snapshot(tmp_path, before):
    """Before every write, truncation, flush and rename of an append: the old file or the new one.

    64 rows fill a leaf of HDF5's index of pieces, so that the next append divides it, in place.
    """
    path = tmp_path / "fields.vtkhdf"
    snapshots = Snapshots(path, GRID, {}, [PHI, CALCIUM, FLUX])
    for n in range(before):
        snapshots.append(60.0 * n, block(n % 3))
    data, old = path.read_bytes(), contents(path)
    snapshots.append(60.0 * before, block(1))
    new = contents(path)
    journals, number, died = 0, 0, True
    while died:
        number += 1
        path.write_bytes(data)
        died = die_at(number, lambda: snapshots.append(60.0 * before, block(1)))
        with_journal = journal_of(path).exists()
        assert contents(path) in (old, new)
        if not with_journal:
            with h5py.File(path) as file:            # any reader of HDF5 can read it, too
                assert file["VTKHDF/Steps"].attrs["NSteps"] in (before, before + 1)
        journals += with_journal
        assert recover(path) == with_journal
        assert contents(path) == (new if with_journal or not died else contents(path))
        snapshots.append(1e6, block(2))              # the run that is resumed goes on
        assert contents(path)[0][-1] == 1e6
    assert number > 8 and journals > 0


def test_an_error_leaves_the_file_as_it_was(tmp_path):
    """The change is made at the end of `with`, or not at all."""
    path = tmp_path / "a.h5"
    with opened(path, "w") as file:
        file["x"] = np.arange(1000.0)
    data = path.read_bytes()
    with pytest.raises(KeyError), opened(path, "r+") as file:
        file["x"][:] = 0.0
        file["y"] = np.ones(5000)
        raise KeyError("x")
    with opened(path) as file:
        assert list(file) == ["x"] and np.array_equal(file["x"], np.arange(1000.0))
    assert path.read_bytes()[:len(data)] == data and not journal_of(path).exists()


def test_reads_and_writes_across_pages_and_the_old_end(tmp_path):
    """Random pieces against a plain array of bytes; nothing reaches the file before `commit`."""
    path, random = tmp_path / "a", np.random.default_rng(67)
    expected = bytearray(random.bytes(10_000))
    path.write_bytes(expected)
    with JournaledFile(path) as file:
        for _ in range(200):
            at, data = int(random.integers(0, 12_000)), random.bytes(int(random.integers(1, 6000)))
            file.seek(at)
            file.write(data)
            expected.extend(bytes(max(0, at + len(data) - len(expected))))
            expected[at:at + len(data)] = data
            at = int(random.integers(0, len(expected)))
            file.seek(at)
            assert file.read(5000) == expected[at:at + 5000]
        assert file.seek(0, os.SEEK_END) == len(expected)
        file.truncate(9000)
        file.commit()
    assert path.read_bytes() == expected[:9000]


def test_a_journal_that_is_not_whole_is_none(tmp_path):
    """Cut or foreign, it is ignored, and removed with the next change."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    journal_of(path).write_bytes(b"ekm3d journal 1\nabc\n{}")
    assert not recover(path) and path.read_bytes() == b"old" and not journal_of(path).exists()
