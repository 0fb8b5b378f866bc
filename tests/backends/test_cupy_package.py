"""Assumptions of the cuda backend and its stand-in about CuPy, against the installed package.

CuPy installs and imports without a GPU: `pip install cupy-cuda13x` (no part of ekm3d[dev]). Its
arrays can be made around any address, as long as nothing is launched, so that shapes, strides and
contiguity of views are its own here; names, keywords and refusals are as well. Values and streams
need a device.
"""

import inspect
import re

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.case_files import ROOT

from ekm3d.backends.choose import choose_backend
from ekm3d.errors import BackendError

cupy = pytest.importorskip("cupy", reason="CuPy is not installed: pip install cupy-cuda13x",
                           exc_type=ImportError)
if not hasattr(cupy, "RawKernel"):
    pytest.skip("`cupy` is the stand-in here", allow_module_level=True)

SHAPE = (4, 5, 6)
WITHOUT_ADDRESS = 4096 * 16                 # where no array is: nothing may be launched
# All of NumPy's elementwise functions that the package calls, on device arrays or not.
UFUNCS = sorted({name for path in (ROOT / "ekm3d").rglob("*.py")
                 for name in re.findall(r"\bnp\.(\w+)", path.read_text())
                 if isinstance(getattr(np, name, None), np.ufunc)})


def parameters(function):
    """Names of a function's parameters, from its signature or the first line of its docstring."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        head = re.search(r"\((.*)\)", (function.__doc__ or "").splitlines()[0])[1]
        return [re.split(r"[=:]", part)[0].split()[-1] for part in head.split(",")
                if part.strip() and part.strip() != "*"]


def array(shape=SHAPE, dtype=float):
    """An array of CuPy without memory."""
    memory = cupy.cuda.UnownedMemory(WITHOUT_ADDRESS, 4096 * 64, None, 0)
    return cupy.ndarray(shape, dtype, cupy.cuda.MemoryPointer(memory, 0))


@pytest.mark.parametrize("name", cuda_stand_in.FUNCTIONS)
def test_cupy_has_the_functions_of_the_stand_in_with_their_keywords(name):
    function = getattr(cupy, name)
    if isinstance(function, cupy.ufunc):
        return
    taken = parameters(function)
    assert set(cuda_stand_in.FUNCTIONS[name].split()) <= set(taken) or "kwargs" in taken


@pytest.mark.parametrize("name", cuda_stand_in.METHODS)
def test_cupy_has_the_methods_of_the_stand_in_with_their_keywords(name):
    taken = parameters(getattr(cupy.ndarray, name))
    assert taken[0] == "self" and set(cuda_stand_in.METHODS[name].split()) <= set(taken)


@pytest.mark.parametrize("name, wanted", [
    ("ndarray.get", "self stream order out blocking"), ("ndarray.set", "self arr"),
    ("ndarray.item", "self"), ("ndarray.tolist", "self"), ("zeros", "shape dtype"),
    ("arange", "start dtype"), ("asarray", "a dtype order"), ("ascontiguousarray", "a"),
    ("RawModule", "code options"), ("RawModule.get_function", "self name"),
    ("RawKernel.__call__", "self grid block args"), ("get_default_memory_pool", ""),
    ("cuda.Stream", "non_blocking"), ("cuda.Stream.use", "self"),
    ("cuda.Stream.synchronize", "self"), ("cuda.Stream.begin_capture", "self"),
    ("cuda.Stream.end_capture", "self"), ("cuda.get_current_stream", ""),
    ("cuda.graph.Graph.launch", "self stream"), ("cuda.Event", "block disable_timing"),
    ("cuda.Event.record", "self"), ("cuda.Event.synchronize", "self"),
    ("cuda.get_elapsed_time", "start_event end_event"), ("cuda.alloc_pinned_memory", "size"),
    ("cuda.MemoryPool.free_bytes", "self"), ("cuda.MemoryPool.used_bytes", "self"),
    ("cuda.MemoryPool.get_limit", "self"), ("cuda.runtime.getDeviceCount", ""),
    ("cuda.runtime.getDevice", ""), ("cuda.runtime.setDevice", "device"),
    ("cuda.runtime.getDeviceProperties", "device"), ("cuda.runtime.memGetInfo", ""),
    ("cuda.runtime.driverGetVersion", ""), ("cuda.runtime.deviceGetAttribute", "attrib device")])
def test_cupy_has_what_the_backend_calls(name, wanted):
    """By the names of the arguments, in the order in which they are given."""
    found = cupy
    for part in name.split("."):
        found = getattr(found, part)
    taken = parameters(found)
    assert [p for p in taken if p in wanted.split()] == wanted.split(), taken


def test_attributes_of_a_device_and_of_a_kernel():
    """Numbers of gpu_speed.py; what decides the size of a block."""
    runtime = cupy.cuda.runtime
    assert (runtime.cudaDevAttrMemoryClockRate, runtime.cudaDevAttrGlobalMemoryBusWidth) == (36, 37)
    assert inspect.isdatadescriptor(cupy.RawKernel.max_threads_per_block)
    assert hasattr(cupy.cuda.Stream, "ptr") or "ptr" in vars(cupy.cuda.Stream(null=True))


@pytest.mark.parametrize("view", [
    lambda a: a[:, 1:3], lambda a: a[2], lambda a: a[..., 2:-2], lambda a: a[::2], lambda a: a.T,
    lambda a: a[..., None], lambda a: a.reshape(20, 6), lambda a: a.reshape(-1),
    lambda a: a.ravel(), lambda a: a.transpose(2, 0, 1), lambda a: np.moveaxis(a, 0, 2),
    lambda a: np.broadcast_to(a, (2, *SHAPE)), lambda a: a[1:3][:, 2:], lambda a: a[1:1],
    lambda a: a.view(np.int64)])
def test_views_have_the_layout_of_cupys(view):
    """Place in memory, strides and contiguity: what a kernel accepts, and what `get` copies."""
    theirs, host = array(), cuda_stand_in.ndarray(np.zeros(SHAPE))
    one, other = view(theirs), view(host)
    assert isinstance(one, cupy.ndarray)
    assert (one.shape, one.dtype, one.size, one.nbytes) == (other.shape, other.dtype, other.size,
                                                            other.size * other.dtype.itemsize)
    assert one.flags.c_contiguous == other.flags.c_contiguous
    if other.size:
        assert one.strides == other.host.strides
        assert one.data.ptr - theirs.data.ptr == other.data.ptr - host.data.ptr


@pytest.mark.parametrize("refused", [
    np.asarray, lambda a: np.subtract(a, 1.0, out=a, where=True), lambda a: np.max(a, initial=0.0),
    lambda a: np.sum(a, where=True), lambda a: a.sum(initial=0.0)])
def test_what_cupy_refuses_the_stand_in_refuses(refused):
    for device in (array(), cuda_stand_in.ndarray(np.zeros(SHAPE))):
        with pytest.raises(TypeError):
            refused(device)


@pytest.mark.parametrize("name", UFUNCS)
def test_ufuncs_of_device_arrays_are_there(name):
    """NumPy hands a ufunc over by its name; `where` is none of CuPy's keywords."""
    function = getattr(cupy, name)
    with pytest.raises(TypeError, match="where"):
        function(*[array()] * function.nin, where=True)


def test_interp_takes_a_contiguous_row_of_points():
    """As the stand-in, which refuses others with NotImplementedError."""
    with pytest.raises((NotImplementedError, ValueError)):
        np.interp(array()[:, 1:3], array((3,)), array((3,)))


def test_cupy_without_a_driver_is_refused_with_its_reason():
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        with pytest.raises(BackendError, match="'cuda' cannot run: CUDARuntimeError"):
            choose_backend("cuda")
        assert choose_backend("auto").name != "cuda"
    else:
        pytest.skip("there is a device")
