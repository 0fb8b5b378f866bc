"""GPUs and ranks: choice of a device, refusal to share one, messages from a device's memory."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import cuda_stand_in

from ekm3d.backends.cuda import CudaBackend
from ekm3d.backends.gpu_devices import chosen
from ekm3d.errors import LaunchError
from ekm3d.parallel import gpu_sharing, halo_exchange
from ekm3d.parallel.gpu_sharing import refuse_sharing, sends_from_device
from ekm3d.parallel.halo_exchange import Message


def test_a_rank_takes_the_gpu_of_its_number():
    """Modulo their number, as where every rank sees only its own; None without a number or GPU."""
    assert [chosen(4, {"EKM3D_DEVICE": str(n)}) for n in range(5)] == [0, 1, 2, 3, 0]
    assert chosen(4, {}) is None and chosen(0, {"EKM3D_DEVICE": "1"}) is None


def processes(*names):
    """Communicator and backend as `refuse_sharing` uses them, all ranks on one computer."""
    here = gpu_sharing.platform.node()
    gathered = [name and (here, name) for name in names]
    return SimpleNamespace(allgather=lambda value: gathered), SimpleNamespace(device=names[0])


def test_two_ranks_on_one_gpu_are_refused():
    """Unless asked for; ranks without a GPU share nothing."""
    refuse_sharing(*processes(b"a", b"b", b"c"), {})
    refuse_sharing(*processes(None, None), {})
    with pytest.raises(LaunchError, match="3 processes work on 2 GPUs.*EKM3D_SHARE_GPU=1"):
        refuse_sharing(*processes(b"a", b"b", b"a"), {})
    refuse_sharing(*processes(b"a", b"b", b"a"), {"EKM3D_SHARE_GPU": "1"})


@pytest.mark.parametrize("trial, works", [
    ("pass", True), ("import os; os.kill(os.getpid(), 11)", False), ("assert False", False),
    ("import os; assert not {'PMI_RANK', 'PMI_FD', 'OMPI_COMM_WORLD_RANK'} & {*os.environ}", True),
    ("import time; time.sleep(60)", False)])
def test_gpu_memory_is_given_to_mpi_only_after_a_trial(trial, works, monkeypatch):
    """A crash of the trial means no; the trial is not part of the job; the default is off."""
    monkeypatch.setattr(gpu_sharing, "SECONDS", 0.5 if "sleep" in trial else 900)
    launched = gpu_sharing.os.environ | {"PMI_RANK": "0", "PMI_FD": "5",
                                         "OMPI_COMM_WORLD_RANK": "0"}
    assert sends_from_device(launched | {"EKM3D_GPU_AWARE": "auto"}, trial) == works
    assert not sends_from_device(launched, trial)


@pytest.mark.parametrize("direct", [False, True])
def test_a_message_travels_between_device_and_host(rng, monkeypatch, direct):
    """Slabs of device arrays are packed in one buffer and unpacked into other arrays.

    The device buffer is overwritten in between: the host buffer must carry the values. With
    GPU-aware MPI (direct) the two are one buffer on the device.
    """
    on = CudaBackend("test", cuda_stand_in)
    monkeypatch.setattr(halo_exchange, "gpu_aware", lambda: direct)
    a, b = rng.normal(size=(3, 4, 5, 6)), rng.integers(0, 99, (4, 5, 6)).astype(np.uint8)
    kinds = [(np.dtype(np.uint8), ()), (np.dtype(float), (3,))]
    slab = (slice(1, 4), slice(0, 5), slice(2, 3))
    message = Message(on, kinds, slab)
    assert [first for first, *_ in message.parts] == [0, 16]       # 15 bytes, then 8-byte numbers
    assert (message.host_buffer is message.device_buffer) == direct
    for part, values in message.pairs([on.from_numpy(b), on.from_numpy(a)]):
        part[...] = values
    on.to_host_buffers([(message.device_buffer, message.host_buffer)])
    if not direct:
        travelled = message.host_buffer.copy()
        message.device_buffer[...] = 0
        message.host_buffer[...] = travelled
    on.to_device_buffers([(message.device_buffer, message.host_buffer)])
    results = on.zeros(b.shape, np.uint8), on.zeros(a.shape)
    for part, values in message.pairs(results):
        values[...] = part
    for sent, received in zip((b, a), map(on.to_numpy, results), strict=True):
        expected = np.zeros_like(sent)
        expected[(Ellipsis, *slab)] = sent[(Ellipsis, *slab)]
        assert np.array_equal(received, expected)
