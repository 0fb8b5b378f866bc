"""GPUs and processes: who takes which, who is refused, and messages from a device's memory."""

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


def test_a_process_takes_the_gpu_of_its_number():
    """Counted round, as where every process sees but one GPU, its own; untouched without one."""
    assert [chosen(4, {"EKM3D_DEVICE": str(n)}) for n in range(5)] == [0, 1, 2, 3, 0]
    assert chosen(4, {}) is None and chosen(0, {"EKM3D_DEVICE": "1"}) is None


def processes(*names):
    """What refuse_sharing needs of a communicator and of a backend: all on one computer."""
    here = gpu_sharing.platform.node()
    gathered = [name and (here, name) for name in names]
    return SimpleNamespace(allgather=lambda value: gathered), SimpleNamespace(device=names[0])


def test_two_processes_on_one_gpu_are_refused():
    """Unless asked for; processes without a GPU share nothing."""
    refuse_sharing(*processes(b"a", b"b", b"c"), {})
    refuse_sharing(*processes(None, None), {})
    with pytest.raises(LaunchError, match="3 processes work on 2 GPUs.*EKM3D_SHARE_GPU=1"):
        refuse_sharing(*processes(b"a", b"b", b"a"), {})
    refuse_sharing(*processes(b"a", b"b", b"a"), {"EKM3D_SHARE_GPU": "1"})


@pytest.mark.parametrize("trial, works", [
    ("pass", True), ("import os; os.kill(os.getpid(), 11)", False), ("assert False", False),
    ("import os; assert not {'PMI_RANK', 'PMI_FD', 'OMPI_COMM_WORLD_RANK'} & {*os.environ}", True),
    ("import time; time.sleep(60)", False)])
def test_memory_of_a_gpu_goes_to_mpi_only_where_a_trial_has_shown_it(trial, works, monkeypatch):
    """A crash of the trial is an answer; the trial is no process of the job; default is off."""
    monkeypatch.setattr(gpu_sharing, "SECONDS", 5 if "sleep" in trial else 900)
    launched = gpu_sharing.os.environ | {"PMI_RANK": "0", "PMI_FD": "5", "OMPI_COMM_WORLD_RANK": "0"}
    assert sends_from_device(launched | {"EKM3D_GPU_AWARE": "auto"}, trial) == works
    assert not sends_from_device(launched, trial)


@pytest.mark.parametrize("direct", [False, True])
def test_a_message_travels_between_device_and_host(rng, monkeypatch, direct):
    """Slabs of arrays on the device go out in one buffer and come back into other arrays.

    What has been packed on the host is overwritten before it is unpacked: it must be the buffer
    that travels. Direct, the buffer itself is the device's.
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
    on.to_host_buffer(message.device_buffer, message.host_buffer)
    if not direct:
        travelled = message.host_buffer.copy()
        message.device_buffer[...] = 0
        message.host_buffer[...] = travelled
    on.to_device_buffer(message.device_buffer, message.host_buffer)
    there = on.zeros(b.shape, np.uint8), on.zeros(a.shape)
    for part, values in message.pairs(there):
        values[...] = part
    for sent, got in zip((b, a), map(on.to_numpy, there)):
        wanted = np.zeros_like(sent)
        wanted[(Ellipsis, *slab)] = sent[(Ellipsis, *slab)]
        assert np.array_equal(got, wanted)
