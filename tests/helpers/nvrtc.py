"""NVRTC for tests, as scripts/tools/nvrtc.py opens it: one library for all of a process.

What it makes of a text is kept in the kernel cache, by a digest of all that goes into it.
"""

import hashlib
import os
import sys
import tempfile
from functools import lru_cache

from helpers.case_files import ROOT

from ekm3d.backends import cpp_compiler

MISSING = "no NVRTC: pip install nvidia-cuda-nvrtc (part of ekm3d[dev] on Linux)"

sys.path.append(str(ROOT / "scripts" / "tools"))
from nvrtc import CompilerError, compiler  # noqa: E402

library = lru_cache(maxsize=1)(compiler)


def compiled(text, name, options, want="CUBIN"):
    """(machine code, or PTX; None if it does not compile, the compiler's log) of a CUDA text."""
    inputs = repr((version(), text, name, tuple(options), want))
    digest = hashlib.sha256(inputs.encode()).hexdigest()[:24]
    kept = cpp_compiler.cache_folder() / f"nvrtc-{digest}"
    if kept.exists():
        return kept.read_bytes(), ""
    try:
        code, log = library().compile(text, name, options, want)
    except CompilerError as error:
        return None, str(error)
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as draft:
        draft.write(code)
    os.replace(draft.name, kept)
    return code, log


def version():
    """Version of the library, as text."""
    return library().version()
