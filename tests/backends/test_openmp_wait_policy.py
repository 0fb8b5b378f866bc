"""How threads wait between kernels: what is chosen, and that OpenMP is told in time."""

import os
import subprocess
import sys

import pytest

from ekm3d.backends import openmp_wait_policy
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.openmp_wait_policy import ASLEEP, AWAKE, choose_waiting, others_running
from ekm3d.errors import BackendError

BUSY = "print('now', flush=True)\nwhile True: pass"
OWN = """
import hashlib, threading
from ekm3d.backends.openmp_wait_policy import own_running
end = threading.Event()
def busy():
    while not end.is_set():
        hashlib.sha256(bytes(10_000_000))
threads = [threading.Thread(target=busy), threading.Thread(target=end.wait)]
for thread in threads:
    thread.start()
print(sorted(own_running() for _ in range(200))[100])
end.set()
"""
FIRST = """
from ekm3d.backends.choose import choose_backend
from ekm3d.solvers.elliptic import redirect
print(choose_backend("cpp"))
choose_backend("cpp").bind(redirect)
"""


@pytest.mark.parametrize("others, threads, chosen", [
    (0.0, 4, AWAKE), (0.4, 4, AWAKE), (0.6, 4, ASLEEP), (1.0, 3, AWAKE), (2.0, 3, ASLEEP),
    (3.4, 1, AWAKE), (None, 1, ASLEEP)])
def test_threads_stay_awake_where_there_is_a_core_for_each(monkeypatch, others, threads, chosen):
    """Four cores; half a thread more than fits is what a machine at rest may show."""
    monkeypatch.setattr(openmp_wait_policy, "others_running", lambda: others)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    environ = {"OMP_NUM_THREADS": str(threads)}
    choose_waiting(environ)
    assert environ == {"OMP_NUM_THREADS": str(threads), **chosen}


@pytest.mark.parametrize("name", openmp_wait_policy.ASKED)
def test_what_the_environment_says_stands(name):
    environ = {name: "7"}
    assert "as the environment says" in choose_waiting(environ)
    assert environ == {name: "7"}


def test_what_else_runs_is_counted(monkeypatch, tmp_path):
    """As many busy processes as cores want to run all the time: a mean of fewer is not possible."""
    count = os.cpu_count()
    busy = [subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
            for _ in range(count)]
    try:
        for process in busy:
            process.stdout.readline()
        assert others_running() > count - 0.5
        environ = {}
        assert "asleep" in choose_waiting(environ) and environ == ASLEEP
    finally:
        for process in busy:
            process.kill()
            process.communicate()
    for text in ("", "0.1 0.2 0.3 x/y 7"):
        monkeypatch.setattr(openmp_wait_policy, "LOAD", tmp_path / "loadavg")
        openmp_wait_policy.LOAD.write_text(text)
        assert others_running() is None
    monkeypatch.setattr(openmp_wait_policy, "LOAD", tmp_path / "nowhere")
    assert others_running() is None


def test_own_threads_are_told_apart():
    """This one and one that never rests, without Python's lock like a library's; a third sleeps.
    """
    answer = subprocess.run([sys.executable, "-c", OWN], capture_output=True, text=True, check=True,
                            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    assert answer.stdout == "2\n"


@pytest.mark.parametrize("given, told", [({"GOMP_SPINCOUNT": "77"}, "GOMP_SPINCOUNT = '77'"),
                                         ({}, None)])
def test_openmp_is_told_before_it_is_loaded(given, told):
    """By its own account, which it gives when the first kernel is opened."""
    try:
        if "clang" in choose_backend("cpp").why:
            pytest.skip("LLVM's OpenMP words its account otherwise")
    except BackendError as error:
        pytest.skip(str(error))
    environ = {key: value for key, value in os.environ.items() if key not in openmp_wait_policy.ASKED}
    answer = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True,
                            env=environ | given | {"OMP_DISPLAY_ENV": "verbose"}, check=True)
    told = told or ("GOMP_SPINCOUNT = '12000'" if "threads wait awake" in answer.stdout
                    else "OMP_WAIT_POLICY = 'PASSIVE'")
    assert told in answer.stderr
