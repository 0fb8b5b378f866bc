"""Another operating system, imitated: run in a process of its own, before ekm3d is imported.

    python -m helpers.other_system windows|macos WORDS...      the command line, with these words

What Windows does not have is taken away: modules, calls, signals, the file systems of Linux,
folders opened as files, UTF-8 as the coding of text. It cannot show what Windows has in its own
way: paths, files that others have open, the end of a process.
"""

import builtins
import importlib
import io
import os
import signal
import sys

LACKING_MODULES = {"windows": ("resource", "fcntl", "pwd", "grp", "termios", "tty", "posix_ipc"),
                   "macos": ()}
LACKING_CALLS = {"windows": ("sched_getaffinity", "pread", "pwrite", "killpg", "sysconf", "getuid",
                             "geteuid", "fork", "register_at_fork", "uname", "getpgid", "setsid",
                             "mkfifo", "posix_fallocate", "posix_fadvise", "fchmod",
                             "chown", "getloadavg", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY"),
                 "macos": ("sched_getaffinity", "posix_fadvise")}
LACKING_SIGNALS = {"windows": ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGKILL", "SIGALRM", "SIGPIPE"),
                   "macos": ()}
# Imported first: the standard library and other packages have their own ways on each system.
FIRST = ("numpy", "scipy.sparse.linalg", "scipy.optimize", "scipy.ndimage", "h5py", "pydantic",
         "pint", "rich.progress", "threadpoolctl", "subprocess", "multiprocessing", "tempfile",
         "concurrent.futures", "platform", "shutil", "uuid", "ctypes", "importlib.metadata")
NEEDED_HERE = ("/proc/self/maps",)      # by threadpoolctl, which looks elsewhere on other systems


def imitate(system):
    """Take away what the system does not have; its text files are not UTF-8 by themselves."""
    for name in FIRST:
        importlib.import_module(name)
    for name in LACKING_MODULES[system]:
        sys.modules[name] = None
    for name in LACKING_CALLS[system]:
        if hasattr(os, name):
            delattr(os, name)
    for name in LACKING_SIGNALS[system]:
        if hasattr(signal, name):
            delattr(signal, name)
    plain_open, plain_os_open = io.open, os.open

    def foreign(path):
        return (isinstance(path, (str, os.PathLike)) and os.fspath(path) not in NEEDED_HERE
                and os.fspath(path).startswith(("/proc", "/sys")))

    def checked_open(file, mode="r", *words, **options):
        if foreign(file):
            raise FileNotFoundError(2, "there is no such file on this system", str(file))
        if "b" not in mode and not (options.get("encoding") or words[1:2]) and "ekm3d" in str(
                sys._getframe(1).f_globals.get("__name__")):
            raise UnicodeError(f"{file} is opened without an encoding")
        return plain_open(file, mode, *words, **options)

    def checked_os_open(path, *words, **options):
        if foreign(path):
            raise FileNotFoundError(2, "there is no such file on this system", str(path))
        ours = str(sys._getframe(1).f_globals.get("__name__")).startswith("ekm3d")
        if system == "windows" and ours and os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return plain_os_open(path, *words, **options)

    builtins.open = io.open = checked_open
    os.open = checked_os_open


if __name__ == "__main__":
    imitate(sys.argv[1])
    from ekm3d.cli.main import main
    sys.exit(main(sys.argv[2:]))
