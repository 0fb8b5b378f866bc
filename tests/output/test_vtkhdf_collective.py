"""One file written by many processes together: equal to that of one process.

As a script under mpiexec: the work of each process for these tests.
"""

import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import mpi
from helpers.rank_comparison import FIELD, compare

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.grid.grid import Grid
from ekm3d.output.vtkhdf import Snapshots
from ekm3d.output.vtkhdf_collective import PARALLEL, Collective
from ekm3d.output.vtkhdf_per_rank import snapshots
from ekm3d.parallel.domain import NUMPY
from ekm3d.parallel.mpi_domain import MpiDomain
from ekm3d.parallel.team import join
from ekm3d.resources import case_path

pytestmark = pytest.mark.skipif(not PARALLEL, reason="this h5py was not built for MPI")

# Two chunks along z and x, three along y, none of them full: every box shares some with others.
GRID = Grid((70, 131, 37), (0.1, 0.2, 0.5), (1.0, -2.0, 10.0))
TIMES = (0.0, 3600.0, 5400.0)
ORE, LAYER = OutputField("ore", "1", "where ore is"), OutputField("layer", "1", "its number")
PHI = OutputField("phi", "V", "electric potential")
FLUX = OutputField("flux", "m/s", "Darcy velocity", components=3)


@pytest.fixture(autouse=True)
def launcher(monkeypatch):
    """Use the launcher of the MPI that HDF5 was built for, if none lies beside this Python."""
    if not mpi.MPIEXEC.is_file() and shutil.which("mpiexec"):
        monkeypatch.setattr(mpi, "MPIEXEC", Path(shutil.which("mpiexec")))
    for name in ("OMPI_MCA_rmaps_base_oversubscribe", "OMPI_ALLOW_RUN_AS_ROOT",
                 "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")


def drawn(n):
    """The whole block's arrays at snapshot n; numbers at random, so that no two chunks agree."""
    rng = np.random.default_rng(911 + n)
    return {"phi": rng.normal(size=GRID.shape), "flux": rng.normal(size=(*GRID.shape, 3))}


def static():
    rng = np.random.default_rng(677)
    return {ORE: rng.random(GRID.shape) > 0.3, LAYER: rng.integers(0, 9999, GRID.shape)}


def everything(path):
    """{name: (how it is stored, bytes)} of all datasets and attributes below /VTKHDF."""
    found = {}

    def note(name, node):
        if isinstance(node, h5py.Dataset):
            how = (node.dtype, node.shape, node.maxshape, node.chunks, node.compression,
                   node.compression_opts, node.shuffle)
            found[name] = how, node[()].tobytes()
        for key, value in node.attrs.items():
            found[f"{name}@{key}"] = np.asarray(value).dtype, np.asarray(value).tobytes()

    with h5py.File(path, "r", locking=False) as file:
        note("", file["VTKHDF"])
        file["VTKHDF"].visititems(note)
    return found


def write(folder):
    """By each process: all snapshots; before the last, one in which the second process fails."""
    domain = MpiDomain(GRID, NUMPY, join(asked=True).comm)
    put, where = h5py.Dataset.__setitem__, Path(folder) / "fields.vtkhdf"
    part = {field: cut(domain, array) for field, array in static().items()}
    file = snapshots(where, domain, part, [PHI, FLUX])
    assert isinstance(file, Collective) and file.communicates

    def broken(data, index, values):
        put(data, index, values)
        if domain.comm.rank == 1 and data.name.endswith("flux"):
            raise OSError("no room on the disk")

    for n, time in enumerate(TIMES):
        arrays = {name: cut(domain, array) for name, array in drawn(n).items()}
        if time == TIMES[-1]:
            h5py.Dataset.__setitem__ = broken
            with pytest.raises((OSError, RuntimeError), match="no room on the disk"):
                file.append(4000.0, {name: -array for name, array in arrays.items()})
            h5py.Dataset.__setitem__ = put
            with h5py.File(where, "r", locking=False) as seen:
                assert seen["VTKHDF/Steps"].attrs["NSteps"] == 2
                assert seen["VTKHDF/Steps/Values"][:].tolist() == [0.0, 3600.0]
            domain.barrier()
        file.append(time, arrays)
        file.publish()


def cut(domain, array):
    return array[domain.box.index()[1:]]


def watch(folder):
    """By each process: the file has no name yet when all that is known at first is in it."""
    show, seen = Snapshots._rename, []

    def shown(file, draft):
        found = everything(draft)
        seen.append((file.path.exists(), found["CellData/layer"][1] == static()[LAYER]
                     .astype("i4").tobytes(), "CellData/flux" in found))
        show(file, draft)

    Snapshots._rename = shown
    write(folder)
    assert len({tuple(seen)} | {((False, True, True),), ()}) == 2


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_file_equals_that_of_one_process(tmp_path, count):
    """Values, types, chunks, filters, attributes and times, to the last bit.

    The numbers are drawn for the whole block and every process gives its box of them. A snapshot
    that one process could not write fails in all, is not seen, and the next is written over it.
    """
    code, out, errors = mpi.run(count, __file__, tmp_path)
    assert (code, out, errors) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["fields.vtkhdf"]       # no draft is left
    alone = Snapshots(tmp_path / "alone.vtkhdf", GRID, static(), [PHI, FLUX])
    for n, time in enumerate(TIMES):
        alone.append(time, drawn(n))
    mine, other = everything(tmp_path / "fields.vtkhdf"), everything(alone.path)
    assert len(other) > 20 and mine.keys() == other.keys()
    assert [name for name in other if mine[name] != other[name]] == []


def test_the_coarse_field_case_on_2_and_3_processes(tmp_path):
    """Summary, series and fields of a run of both stages, to the last bit."""
    compare(tmp_path, case_path("field_saturated"), (2, 3), FIELD, "--backend", "numpy")


if __name__ == "__main__":
    watch(sys.argv[1])
