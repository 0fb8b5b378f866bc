"""Snapshots of many boxes, in one file or one of each: equal to those of a single process."""

import shutil
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from helpers.vtkhdf_block import CALCIUM, FLUX, GRID, ORE, PHI, TIMES, block, static

from ekm3d.grid.grid import Grid
from ekm3d.output.results import open_results
from ekm3d.output.vtkhdf import Snapshots
from ekm3d.output.vtkhdf_per_rank import PerRankFiles, Sender, snapshots
from ekm3d.parallel.gather_slabs import slabs

# 3 x 4 x 5 voxels in z, y, x: uneven boxes cut across all three axes.
BOXES = (((0, 0, 0), (2, 3, 5)), ((0, 3, 0), (2, 4, 5)), ((2, 0, 0), (3, 4, 2)),
         ((2, 0, 2), (3, 4, 5)))
FIELDS = [PHI, CALCIUM, FLUX]


class Letters:
    """A communicator whose messages are kept until they are received."""

    def __init__(self, rank, mail):
        self.rank, self.mail = rank, mail

    def Ssend(self, array, to, tag):
        self.mail.setdefault((self.rank, to, tag), []).append(array.copy())

    def Recv(self, array, source, tag):
        array[...] = self.mail[source, self.rank, tag].pop(0)


def domains():
    """Return the domains of all boxes, rank 0 last: what it receives has been sent by then."""
    mail, found = {}, []
    for rank in (1, 2, 3, 0):
        lower, upper = BOXES[rank]
        corner = zip(GRID.origin, GRID.spacing, lower[::-1], strict=True)
        origin = tuple(x + d * n for x, d, n in corner)
        cells = tuple(b - a for a, b in zip(lower, upper, strict=True))[::-1]
        part = Grid(cells, GRID.spacing, origin)
        d = SimpleNamespace(whole=GRID, grid=part, start=lower, boxes=BOXES, is_root=rank == 0,
                            comm=Letters(rank, mail), barrier=lambda: None)
        d.slabs = lambda array, d=d: slabs(d, array, 2)
        box = tuple(map(slice, lower, upper))
        d.local_view = lambda array, box=box: array[box]
        found.append(d)
    return found


def parts(domain, arrays):
    return {name: domain.local_view(array) for name, array in arrays.items()}


@pytest.fixture
def single(tmp_path):
    """The file that one process writes."""
    file = Snapshots(tmp_path / "single.vtkhdf", GRID, static(), FIELDS)
    for n, time in enumerate(TIMES):
        file.append(time, block(n))
    return file.path


@pytest.fixture(params=["gathered", "per-rank"])
def written(tmp_path, request):
    """fields.vtkhdf of four boxes, either way."""
    return write(tmp_path / "out", request.param)


def write(folder, mode):
    everyone = domains()
    folder.mkdir()
    path = folder / "fields.vtkhdf"
    # Rank 0 creates the folder; ranks run one after the other here, so that it is made first.
    if mode == "per-rank":
        (folder / "fields").mkdir()
    writers = []
    for d in everyone:
        if d.is_root and mode == "per-rank":
            keep(folder)
        writers.append(snapshots(path, d, parts(d, static()), FIELDS, mode, False))
        if d.is_root and mode == "per-rank":
            put_back(folder)
    for n, time in enumerate(TIMES):
        for d, writer in zip(everyone, writers, strict=True):
            writer.append(time, parts(d, block(n)))
        for writer in writers:
            writer.publish()
    return path


def keep(folder):
    """Keep the files of the other ranks, which wrote before rank 0 clears the folder."""
    shutil.copytree(folder / "fields", folder / "kept")


def put_back(folder):
    shutil.copytree(folder / "kept", folder / "fields", dirs_exist_ok=True)
    shutil.rmtree(folder / "kept")


def everything(path):
    """{name: values} of all datasets and attributes below /VTKHDF."""
    found = {}

    def note(name, node):
        if isinstance(node, h5py.Dataset):
            found[name] = node[()]
        for key, value in node.attrs.items():
            found[f"{name}@{key}"] = value

    with h5py.File(path, "r") as file:
        file["VTKHDF"].visititems(note)
        found |= {f"@{key}": value for key, value in file["VTKHDF"].attrs.items()}
    return found


def test_contents_equal_those_of_one_process(single, written):
    """All values, times, offsets, units and the geometry: equal, not only close."""
    mine, other = everything(written), everything(single)
    assert mine.keys() == other.keys() and len(mine) > 30
    for name, value in other.items():
        np.testing.assert_array_equal(mine[name], value, err_msg=name)


def test_vtk_reads_both_as_one_image_with_its_times(single, written):
    """By pyvista's reader, which is VTK's: one ImageData, always equal to the single file's."""
    pyvista = pytest.importorskip("pyvista")

    def images(path):
        reader = pyvista.get_reader(path).reader
        reader.UpdateInformation()
        for n in range(reader.GetNumberOfSteps()):
            reader.SetStep(n)
            reader.Update()
            yield pyvista.wrap(reader.GetOutput()).copy()

    mine, other = list(images(written)), list(images(single))
    assert len(mine) == len(other) == 3
    for a, b in zip(mine, other, strict=True):
        assert isinstance(a, pyvista.ImageData) and a.dimensions == (6, 5, 4)
        assert a.bounds == b.bounds and a.array_names == b.array_names
        for name in b.array_names:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_results_read_both_alike(single, written):
    results = open_results(written.parent)
    assert results.grid == GRID and tuple(results.times) == TIMES
    np.testing.assert_array_equal(results.field("water_flux", 1),
                                  block(1)["water_flux"].astype("f4"))


def test_a_box_s_own_file_is_an_image_in_its_place(tmp_path):
    """Origin and extent are the box's: ParaView shows it where it belongs."""
    folder = write(tmp_path / "out", "per-rank").with_suffix("")
    assert sorted(p.name for p in folder.iterdir()) == [
        "z0000_y0000_x0000.vtkhdf", "z0000_y0003_x0000.vtkhdf", "z0002_y0000_x0000.vtkhdf",
        "z0002_y0000_x0002.vtkhdf"]
    with h5py.File(folder / "z0002_y0000_x0002.vtkhdf") as file:
        np.testing.assert_allclose(file["VTKHDF"].attrs["Origin"], (1.2, -2.0, 11.0), rtol=1e-15)
        np.testing.assert_array_equal(file["VTKHDF"].attrs["WholeExtent"], (0, 3, 0, 4, 0, 1))
        np.testing.assert_array_equal(file["VTKHDF/CellData/phi"][1],
                                      block(1)["phi"][2:, :, 2:].astype("f4"))


def test_the_folder_may_be_moved_as_a_whole(written, tmp_path):
    shutil.move(written.parent, tmp_path / "elsewhere")
    moved = open_results(tmp_path / "elsewhere").field("phi", 2)
    np.testing.assert_array_equal(moved, block(2)["phi"].astype("f4"))


def test_provenance_outlives_the_next_snapshot(tmp_path):
    """The master is replaced at every snapshot; what else it holds goes along."""
    domain = domains()[-1]
    domain.boxes = BOXES[:1]                       # it alone
    file = PerRankFiles(tmp_path / "fields.vtkhdf", domain, {}, [PHI])
    with h5py.File(file.path, "r+") as master:
        master.create_group("provenance").attrs["host"] = "here"
    file.append(10.0, parts(domain, {"phi": block(1)["phi"]}))
    file.publish()
    with h5py.File(file.path) as master:
        assert master["provenance"].attrs["host"] == "here"
        assert master["VTKHDF/Steps/Values"][:] == [10.0]


def test_files_of_an_earlier_run_are_removed(tmp_path):
    """Files of boxes of another decomposition would stay for ever."""
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / "z0009_y0000_x0000.vtkhdf").write_text("old")
    PerRankFiles(tmp_path / "fields.vtkhdf", domains()[-1], {}, [PHI])
    assert [p.name for p in (tmp_path / "fields").iterdir()] == ["z0000_y0000_x0000.vtkhdf"]


def test_rank_0_holds_one_slab_at_a_time():
    """Of 3 layers, 2 and then 1 come, the second when the first is done with; others get none."""
    everyone = domains()
    for d in everyone[:-1]:
        assert list(d.slabs(d.local_view(block(0)["phi"]))) == []
    leader = everyone[-1]
    shapes = [(k, slab.shape) for k, slab in leader.slabs(leader.local_view(block(0)["phi"]))]
    assert shapes == [(0, (2, 4, 5)), (2, (1, 4, 5))]
    assert not any(leader.comm.mail.values())


def test_a_sender_needs_all_fields(tmp_path):
    """A missing field is an error on a rank that only sends, too."""
    domain = domains()[0]
    sender = Sender(tmp_path / "fields.vtkhdf", domain, {ORE: domain.local_view(static()[ORE])},
                    [PHI])
    with pytest.raises(ValueError, match="a snapshot without .'phi'."):
        sender.append(0.0, {})
