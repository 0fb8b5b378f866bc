"""NVRTC, CUDA's compiler as a library: no GPU and no driver is needed.

    pip install nvidia-cuda-nvrtc       part of ekm3d[dev] on Linux
"""

import ctypes
import ctypes.util
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

MISSING = "no NVRTC: pip install nvidia-cuda-nvrtc (part of ekm3d[dev] on Linux)"


def library_path():
    """Path of the newest libnvrtc of the wheels, else the system's; None without one."""
    spec = find_spec("nvidia")
    roots = spec.submodule_search_locations if spec else []
    found = {path: [int(n) for n in re.findall(r"\d+", path.name)]
             for root in roots for path in Path(root).glob("*/lib/libnvrtc.so.*")
             if "alt" not in path.name}
    return str(max(found, key=found.get)) if found else ctypes.util.find_library("nvrtc")


@lru_cache(maxsize=1)
def library():
    """The library; None without one. The wheel's own built-ins are loaded beside it."""
    path = library_path()
    if path is None:
        return None
    for builtins in sorted(Path(path).parent.glob("libnvrtc-builtins.so.*")):
        ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(path)


def compiled(text, name, options, want="CUBIN"):
    """(machine code, or PTX; None if it does not compile, the compiler's log) of a CUDA text."""
    nvrtc, program = library(), ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(),
                                    0, None, None) == 0
    flags = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = nvrtc.nvrtcCompileProgram(program, len(options), flags)

    def read(what):
        size = ctypes.c_size_t()
        assert getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
        buffer = ctypes.create_string_buffer(size.value)
        assert getattr(nvrtc, f"nvrtcGet{what}")(program, buffer) == 0
        return buffer.raw

    log = read("ProgramLog").decode(errors="replace")
    code = None if failed else read(want)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return code, log


def version():
    """Version of the library, as text."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"
