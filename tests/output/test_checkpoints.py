"""Checkpoints as files: every damage is found, a failed write leaves the ones before it."""

import os
import resource
import signal

import numpy as np
import pytest

from ekm3d.errors import OutputError
from ekm3d.grid.grid import Grid
from ekm3d.output import checkpoint_file, checkpoints
from ekm3d.output.checkpoint_file import BLOCK, Damaged
from ekm3d.parallel.domain import Domain

DOMAIN = Domain(Grid((5, 4, 3), (1.0, 1.0, 1.0)))
NUMBERS = np.random.default_rng(5).normal(size=(2, 3, 4, 5))


def save(folder, step, numbers=NUMBERS):
    """A checkpoint with an array of two species, one without any, and a small one."""
    voxels = [("c", numbers), ("none", np.zeros((0, 3, 4, 5)))]
    return checkpoints.save(folder, step, DOMAIN, voxels, {"tanks": np.arange(3.0)},
                            {"memory": {"state": {"time": 60.0 * step}}})


def test_what_is_written_is_read_in_float64(tmp_path):
    path = save(tmp_path, 7)
    with checkpoint_file.voxel_arrays(path, DOMAIN) as stored:
        assert list(stored) == ["c"] and np.array_equal(stored["c"], NUMBERS)
        assert stored["c"].dtype == np.float64 and "none" not in stored
    assert np.array_equal(checkpoint_file.small_arrays(path)["tanks"], [0.0, 1.0, 2.0])
    assert checkpoints.newest(tmp_path, pytest.fail).time == 420.0


def test_two_are_kept_and_a_foreign_file_stays(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    foreign = tmp_path / "checkpoint" / "step_00000001.h5"
    foreign.write_text("mine")
    for step in (5, 6, 7, 12):
        save(tmp_path, step)
    assert [p.stem for p in checkpoints.files(tmp_path)] == [
        "step_00000001", "step_00000007", "step_00000012"]
    checkpoints.remove_all(tmp_path)
    assert list((tmp_path / "checkpoint").iterdir()) == [foreign]


def test_every_flipped_bit_and_every_cut_is_found(tmp_path):
    """One bit at 200 places, all of the first block among them that has a meaning, and 50 ends.

    Behind the digest the first block is filled up with zeros, which nobody reads.
    """
    path = save(tmp_path, 1)
    data, told = path.read_bytes(), []
    random = np.random.default_rng(11)
    meant = data.rindex(b"\n", 0, BLOCK)
    places = [*range(0, meant, 3), *random.integers(BLOCK, len(data), 200)]
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(Damaged):
            checkpoint_file.facts_of(path)
    for end in random.integers(0, len(data), 50):
        path.write_bytes(data[:end])
        with pytest.raises(Damaged):
            checkpoint_file.facts_of(path)
    with pytest.raises(OutputError, match="holds no checkpoint that is whole"):
        checkpoints.newest(tmp_path, told.append)
    assert len(told) == 1 and "passed over" in told[0]


@pytest.mark.parametrize("limit", [0, 700, 3000, 8000])
def test_a_full_disk_leaves_the_checkpoints_before(tmp_path, limit):
    """The system refuses to let a file grow beyond `limit` bytes, as a full disk does: an OSError,
    nothing under the new name, no draft, and the one before is whole."""
    save(tmp_path, 1)
    child = os.fork()
    if not child:
        code = 9
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            save(tmp_path, 2)
        except OSError:
            code = 5
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    assert [p.name for p in (tmp_path / "checkpoint").iterdir()] == ["step_00000001.h5"]
    assert checkpoints.newest(tmp_path, pytest.fail).time == 60.0
