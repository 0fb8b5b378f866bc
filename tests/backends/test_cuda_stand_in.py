"""Stand-in for CuPy: operations that it refuses, and its streams, copies and graphs."""

import ctypes
import importlib

import numpy as np
import pytest
from helpers import cuda_stand_in, device_memory

from ekm3d.backends.cuda import CudaBackend, CudaGraph, LaunchedOperator
from ekm3d.backends.kernel_signature import pasted, signature
from ekm3d.grid.grid import Grid
from ekm3d.solvers.elliptic import update_direction

GRID = Grid((4, 3, 2), (0.1, 0.2, 0.3))


def graph(cuda):
    """z, p and a sequence that sets p = z + 0.5 p twice."""
    z, p = (cuda.zeros(GRID.padded, np.float32) for _ in range(2))
    z[...] = 1.0
    return z, p, cuda.sequence([cuda.prepare(cuda.bind(update_direction), GRID, z, 0.5, p)] * 2)


def test_a_sequence_becomes_one_launch(cuda, monkeypatch):
    """Once one by one, then recorded, then launched: p = 1 + (1 + p / 2) / 2, from 0 to 2.

    1.5, 1.875, 1.96875, ...: three quarters of the way each time, recording included.
    """
    _, p, call = graph(cuda)
    recorded, record = [], CudaGraph._record
    monkeypatch.setattr(CudaGraph, "_record", lambda self: recorded.append(1) or record(self))
    for left in (0.5, 0.125, 0.03125, 0.0078125):
        call()
        assert (p.get()[GRID.inner] == 2.0 - left).all()
    assert recorded == [1]


def test_a_graph_sees_later_values_and_keeps_its_arrays_alive(cuda):
    z, p, call = graph(cuda)
    for _ in range(3):
        call()
    z[GRID.inner], p[GRID.inner] = 3.0, 0.0
    del z
    call()
    assert (p.get()[GRID.inner] == 4.5).all()                    # 3 + 3 / 2


def test_calls_that_are_no_launch_stay_between_the_graphs(cuda, monkeypatch):
    """p = 1 + p / 2, then doubled by way of the host, then once more: 1.5 p + 3 ... by hand.

    From 0: 1, 2, 2; from 2: 2, 4, 3; from 3: 2.5, 5, 3.5; None is left out.
    """
    z, p, _ = graph(cuda)
    recorded, record = [], CudaGraph._record
    monkeypatch.setattr(CudaGraph, "_record", lambda self: recorded.append(1) or record(self))
    launch = cuda.prepare(cuda.bind(update_direction), GRID, z, 0.5, p)

    def double():
        p[...] = cuda.from_numpy(2 * p.get())

    call = cuda.sequence([launch, None, double, launch])
    for value in (2.0, 3.0, 3.5, 3.75):
        call()
        assert (p.get()[GRID.inner] == value).all()
    assert recorded == [1, 1]


def test_calls_that_cannot_be_recorded_are_refused(cuda):
    """Copies, from pageable memory too, array expressions, allocation and waiting.

    The stream is usable afterwards.
    """
    z, _, _ = graph(cuda)
    for wrong in (z.get, lambda: z + 1.0, lambda: cuda.from_numpy(np.ones(3)),
                  cuda_stand_in.stream.synchronize, cuda.copies_done(), z.max,
                  lambda: cuda.zeros(3), lambda: np.zeros_like(z), lambda: cuda.arange(3),
                  lambda: z.__setitem__(0, 1.0), lambda: z.set(np.zeros(z.shape, "f4")),
                  lambda: cuda.host_buffer(3, float), lambda: float(z[0, 0, 0])):
        with pytest.raises(RuntimeError, match="while a graph is recorded"):
            CudaGraph(cuda_stand_in.cuda, wrong)._record()
        assert cuda_stand_in.stream.launches is None
    with pytest.raises(RuntimeError, match="default stream"):
        default = cuda_stand_in.Stream()
        default.ptr = 0
        default.begin_capture()


def test_a_backend_leaves_a_stream_of_its_own_in_use(monkeypatch):
    """The default stream cannot be recorded; another current stream stays."""
    monkeypatch.setattr(cuda_stand_in, "stream", default := cuda_stand_in.Stream())
    default.ptr = 0
    CudaBackend("test", cuda_stand_in)
    chosen = cuda_stand_in.stream
    assert chosen is not default and chosen.ptr
    CudaBackend("test", cuda_stand_in)
    assert cuda_stand_in.stream is chosen


def test_asynchronous_copies_have_the_values_of_their_start(cuda, rng):
    """Later changes on the device, made before the copy is waited for, do not show."""
    device = cuda.from_numpy(rng.random(GRID.padded))
    expected = device.get()
    buffer = cuda.host_buffer(GRID.shape, np.float32)
    buffer[...] = -1.0
    cuda.copy_to_host_async(device[GRID.inner], buffer)
    wait = cuda.copies_done()
    device[...] = 7.0
    assert (buffer == -1.0).all()
    wait()
    assert np.array_equal(buffer, expected[GRID.inner].astype("f4"))


def test_memory_of_others_is_poison(cuda):
    """Memory given back, and arrays that begin without values, hold no number that a test may like.
    """
    array = cuda.from_numpy(np.ones(40))
    address = array.data.ptr
    assert np.isnan(np.empty_like(array).get()).all()
    assert device_memory.array_around(address + 319) == (address, address + 320)
    view = array[3:]
    del array
    assert (view.get() == 1.0).all()
    del view
    assert ctypes.string_at(address, 320) == b"\xff" * 320          # NumPy keeps small blocks
    assert device_memory.array_around(address) == (address, address)


def test_blocks_and_threads_come_in_another_order_every_time(cuda):
    """A kernel whose threads all write to one voxel leaves the last one's number there.

    300 voxels in 3 blocks of 128: in order, it would be the last voxel's every time. Ten launches
    that all end with the same thread have a chance of 300^-9.
    """
    text = """
KERNEL last(Grid g, const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) y[at(0, 0, 0, g)] = x[at(i, j, k, g)];
}
"""
    grid = Grid((300, 1, 1), (1.0, 1.0, 1.0))
    x, y = (cuda.from_numpy(np.arange(304 * 25.0).reshape(grid.padded)) for _ in range(2))
    module = cuda.xp.RawModule(code=pasted("last.cu", text), options=("-DREAL=double",))
    bound = LaunchedOperator(cuda, module, text, "last", signature(text, "last"), {})
    left = set()
    for _ in range(10):
        bound(grid, x, y)
        left.add(float(y[grid.inner][0, 0, 0]))
    assert len(left) > 1 and left < set(x.get()[grid.inner].ravel())


@pytest.mark.parametrize("mix", [
    lambda d, h: d + h, lambda d, h: h * d, lambda d, h: np.where(d > 0, d, h),
    lambda d, h: np.add(d, 1.0, out=h), lambda d, h: d.__setitem__(0, h),
    lambda d, h: d[np.array([0])], lambda d, h: np.asarray(d), lambda d, h: np.add.at(d, d, 1.0),
    lambda d, h: np.max(d, initial=0.0), lambda d, h: np.isin(d, d), lambda d, h: h.__iadd__(d),
    lambda d, h: h.__setitem__(0, d)])
def test_host_and_device_arrays_do_not_mix(mix):
    """Each of these fails, or copies silently, with CuPy."""
    with pytest.raises((TypeError, ValueError)):
        mix(cuda_stand_in.ndarray(np.ones(3)), np.ones(3))


def test_stand_in_is_not_part_of_the_package():
    assert importlib.util.find_spec("ekm3d.device") is None
