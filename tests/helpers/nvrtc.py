"""NVRTC for tests, as scripts/tools/nvrtc.py opens it: one library for all of a process."""

import sys
from functools import lru_cache

from helpers.case_files import ROOT

MISSING = "no NVRTC: pip install nvidia-cuda-nvrtc (part of ekm3d[dev] on Linux)"

sys.path.append(str(ROOT / "scripts" / "tools"))
from nvrtc import CompilerError, compiler  # noqa: E402

library = lru_cache(maxsize=1)(compiler)


def compiled(text, name, options, want="CUBIN"):
    """(machine code, or PTX; None if it does not compile, the compiler's log) of a CUDA text."""
    try:
        return library().compile(text, name, options, want)
    except CompilerError as error:
        return None, str(error)


def version():
    """Version of the library, as text."""
    return library().version()
