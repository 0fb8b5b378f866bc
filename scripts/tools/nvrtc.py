"""NVRTC, the CUDA compiler as a library: compiles kernels without a GPU and without a driver.

It comes with the wheel nvidia-cuda-nvrtc, part of ekm3d[dev], or with a CUDA toolkit.
"""

import ctypes
import ctypes.util
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path


class CompilerError(RuntimeError):
    """A text that does not compile; its message is the compiler's log."""


def library_path() -> str | None:
    """Return the path of libnvrtc from the newest wheel, else the system's; None without one."""
    spec = find_spec("nvidia")
    roots = (spec.submodule_search_locations if spec else None) or []
    found = {path: [int(n) for n in re.findall(r"\d+", path.name)]
             for root in roots for path in Path(root).glob("*/lib/libnvrtc.so.*")
             if "alt" not in path.name}
    if not found:
        return ctypes.util.find_library("nvrtc")
    return str(max(found, key=lambda path: found[path]))


class Compiler:
    """An opened libnvrtc; OSError where it cannot be opened."""

    def __init__(self, path: str) -> None:
        # the library finds its built-in functions by name, which a folder of wheels hides
        for builtins in Path(path).parent.glob("libnvrtc-builtins.so.*"):
            ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
        self.library = ctypes.CDLL(path)

    def version(self) -> str:
        """Return major and minor version, such as "12.9"."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self.library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    def compile(self, text: str, name: str, options: Sequence[str], wanted: str = "CUBIN"
                ) -> tuple[bytes, str]:
        """Return (machine code, log) of a text; wanted: CUBIN or PTX. CompilerError if it fails."""
        program = ctypes.c_void_p()
        assert self.library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(),
                                               0, None, None) == 0
        flags = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = self.library.nvrtcCompileProgram(program, len(options), flags)
        log = self._read(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        code = b"" if failed else self._read(program, wanted)
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        if failed:
            raise CompilerError(log)
        return code, log

    def _read(self, program, what):
        size = ctypes.c_size_t()
        assert getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
        buffer = ctypes.create_string_buffer(size.value)
        assert getattr(self.library, f"nvrtcGet{what}")(program, buffer) == 0
        return buffer.raw


def compiler() -> Compiler | None:
    """Return the compiler; None where there is none."""
    path = library_path()
    return Compiler(path) if path else None
