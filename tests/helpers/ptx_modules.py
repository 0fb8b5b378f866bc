"""The stand-in for CuPy with NVRTC's own PTX in the place of the kernels' source.

    CudaBackend("test", OnPtx())               as fast as it can
    CudaBackend("test", OnPtx(watch=True))     every access to memory is looked at (some 50 times
                                               slower); PtxFault tells what is wrong
    CudaBackend("test", OnPtx(count=True))     operations on floating-point numbers are counted

NVRTC gets the text and the options that CuPy 14 gives it, for an architecture of compute
capability 9.0. What ptxas makes of the PTX, real concurrency, and speed stay unseen.
"""

import ctypes
import hashlib
import inspect

from helpers import cuda_stand_in, device_memory, nvrtc, precompiled_header, ptx_to_cpp

from ekm3d.backends import cpp_compiler, kernel_signature

FLAGS = ("-std=c++17", "-O1", "-march=native", "-ffp-contract=off", "-fno-strict-aliasing", "-w",
         "-shared", "-fPIC", "-Wl,-Bsymbolic", f"-I{cuda_stand_in.LAUNCH.parent}", "-x", "c++")
AS_CUPY = ("-ftz=true", "--device-as-default-execution-space", "-arch=compute_90")
HEADER = cuda_stand_in.LAUNCH.with_name("ptx.h")


class PtxFault(AssertionError):
    """A race, or a place in memory that a kernel must not touch so."""


class OnPtx:
    """Module `cupy`: everything of the stand-in but the kernels."""

    def __init__(self, watch=False, most=256, count=False):
        """watch: look at every access; most: threads of a block; count: `flops` becomes {name of a
        kernel: [operations on float64, on float32, voxels of the grids, launches]}."""
        self.watch, self.most, self.launches = watch, most, 0
        self.count, self.flops = count, {}

    def __getattr__(self, name):
        return getattr(cuda_stand_in, name)

    def RawModule(self, code, options):
        return PtxModule(self, code, options)


class PtxModule(cuda_stand_in.RawModule):
    """Kernels of a text, compiled by NVRTC to PTX and that for the host."""

    def __init__(self, cupy, code, options):
        self.cupy, self.text = cupy, kernel_signature.without_comments(code)
        self.library = self.loaded((code, tuple(options), cupy.watch, cupy.count), self.path)

    def path(self, code, options, watch, count):
        """Path of the shared library, compiled unless the kernel cache holds it."""
        compiler, version = cpp_compiler.find_compiler()
        options = (*options, *AS_CUPY)
        own = inspect.getsource(ptx_to_cpp), HEADER.read_text(), cuda_stand_in.LAUNCH.read_text()
        inputs = repr((code, options, watch, count, FLAGS, version, nvrtc.version(), own))
        digest = hashlib.sha256(inputs.encode()).hexdigest()[:24]
        path = cpp_compiler.cache_folder() / f"ptx-{digest}.so"
        if not path.exists():
            ptx, log = nvrtc.compiled(code, "kernel.cu", options, "PTX")
            assert ptx is not None, log
            flags = f"-DWATCH={int(watch)}", f"-DCOUNT={int(count)}", *FLAGS
            head = precompiled_header.precompiled(HEADER, flags, cuda_stand_in.LAUNCH)
            text, _ = ptx_to_cpp.program(ptx.rstrip(b"\0").decode(), head)
            cpp_compiler.compile_library(compiler, flags, text, path)
        return path

    def get_function(self, name):
        return PtxKernel(name, self)


class PtxKernel(cuda_stand_in.RawKernel):
    """Kernel of a PtxModule; PtxFault where one is watched and does something wrong."""

    def __init__(self, name, module):
        super().__init__(name, module)
        self.cupy, self.max_threads_per_block = module.cupy, module.cupy.most
        if self.cupy.watch:
            self.library.seen.restype = ctypes.c_char_p

    def run(self, sizes, given):
        self.cupy.launches += 1
        if self.cupy.count:
            return self.counted(sizes, given)
        if not self.cupy.watch:
            return super().run(sizes, given)
        ranges = [end for p, value in zip(self.parameters, given, strict=True) if p.array
                  for end in device_memory.array_around(int(value))]
        self.library.watch(len(ranges) // 2, (ctypes.c_uint64 * len(ranges))(*ranges))
        super().run(sizes, given)
        if found := self.library.seen():
            raise PtxFault(f"{self.name}: {found.decode()}")

    def counted(self, sizes, given):
        """Run a launch and add to `flops` of the module."""
        self.library.counted.restype = ctypes.c_ulonglong
        before = [self.library.counted(single) for single in (0, 1)]
        super().run(sizes, given)
        grid = given[0].reshape(-1)[0]
        now = [self.library.counted(0) - before[0], self.library.counted(1) - before[1],
               int(grid["nx"]) * int(grid["ny"]) * int(grid["nz"]), 1]
        of = self.cupy.flops.setdefault(self.name, [0] * len(now))
        of[:] = [a + b for a, b in zip(of, now, strict=True)]
