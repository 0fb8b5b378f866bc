"""One compilation per library: processes that need the same one at once wait for the first.

The kernel cache renames what it has compiled, so that several processes may compile the same text
without harm, but each at full cost. Here they take a file lock named after the library; the system
gives it back when its holder ends, however it ends. A compiler is asked for its version once, too:
every backend asks, and thousands are made.
"""

import fcntl
import os
from functools import cache
from pathlib import Path

from ekm3d.backends import cpp, cpp_compiler

compile_library, find_compiler = cpp_compiler.compile_library, cpp_compiler.find_compiler


@cache
def known_compiler(name, path):
    """Compiler and version for one value of $CXX and $PATH; a failure is not kept."""
    return find_compiler()


def install():
    """Let all backends of this process take turns in $EKM3D_CACHE; other folders stay as they are.
    """
    shared = Path(os.environ["EKM3D_CACHE"])
    locks = shared.parent / f"{shared.name}-locks"
    locks.mkdir(exist_ok=True)

    def compile_once(compiler, options, text, path, *limit):
        if path.parent != shared:
            return compile_library(compiler, options, text, path, *limit)
        with open(locks / path.name, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                compile_library(compiler, options, text, path, *limit)

    def find_once():
        return known_compiler(os.environ.get("CXX"), os.environ.get("PATH"))

    cpp.compile_library = cpp_compiler.compile_library = compile_once
    cpp.find_compiler = cpp_compiler.find_compiler = find_once
