"""The command line in this process or one of its own, and the contents of folders around it."""

import hashlib
import os
import subprocess
import sys

from ekm3d.cli.main import main

SHORT = ["-o", "schedule.stage.0.duration=20 min", "--backend", "numpy"]


def ekm3d_command(*words):
    """Run the program in a process of its own, its output piped as in a script."""
    return subprocess.run([sys.executable, "-m", "ekm3d", *map(str, words)], capture_output=True,
                          text=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})


def call(capsys, *words):
    """Return (exit code, standard output, standard error) of main in this process."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as end:                    # raised by argparse
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def contents(folder):
    """Return {path: (digest, time of change)} of everything below a folder."""
    return {str(p.relative_to(folder)): (hashlib.sha256(p.read_bytes()).hexdigest()
                                         if p.is_file() else "", p.stat().st_mtime_ns)
            for p in sorted(folder.rglob("*"))}


def refused(capsys, case, *words):
    """Return the lines of a refusal of `ekm3d run`: exit code 2, no output, no file written."""
    before = contents(case.parent)
    code, text, errors = call(capsys, "run", case, *words)
    assert (code, text) == (2, "") and contents(case.parent) == before
    assert "Traceback" not in errors
    return errors.splitlines()
