"""OpenMP wait policy: choice by the environment, in time for the OpenMP library."""

import os
import subprocess
import sys

import pytest

from ekm3d.backends.choose import choose_backend
from ekm3d.backends.openmp_wait_policy import OPENMP_VARIABLES, OPTION, set_wait_policy
from ekm3d.errors import BackendError

FIRST_KERNEL = """
from ekm3d.backends.choose import choose_backend
from ekm3d.parallel.reproducible_sum import sum_segments
print(choose_backend("cpp"))
choose_backend("cpp").bind(sum_segments)
"""


def test_threads_sleep_by_default():
    """Sleeping threads disturb nobody; nothing but the environment decides."""
    environ = {"OMP_NUM_THREADS": "4"}
    assert set_wait_policy(environ) == "threads sleep between kernels"
    assert environ == {"OMP_NUM_THREADS": "4", "OMP_WAIT_POLICY": "passive"}


@pytest.mark.parametrize("policy, variables, text", [
    ("passive", {"OMP_WAIT_POLICY": "passive"}, "threads sleep between kernels"),
    ("active", {"GOMP_SPINCOUNT": "12000", "KMP_BLOCKTIME": "1"}, "threads spin between kernels")])
def test_option_chooses_the_policy(policy, variables, text):
    """GNU's and LLVM's library; the choice is the same for every backend of a process."""
    environ = {OPTION: policy}
    for _ in range(2):
        assert set_wait_policy(environ) == text
        assert environ == {OPTION: policy, **variables}


@pytest.mark.parametrize("name", OPENMP_VARIABLES)
def test_openmp_variables_of_the_user_stand(name):
    environ = {name: "7"}
    assert "as the environment says" in set_wait_policy(environ)
    assert environ == {name: "7"}


def test_option_overrides_openmp_variables():
    environ = {OPTION: "active", "GOMP_SPINCOUNT": "7"}
    set_wait_policy(environ)
    assert environ["GOMP_SPINCOUNT"] == "12000"


def test_unknown_policy_is_refused(monkeypatch):
    monkeypatch.setenv(OPTION, "busy")
    with pytest.raises(BackendError, match="EKM3D_OMP_WAIT=busy is unknown: active or passive"):
        set_wait_policy()


@pytest.mark.parametrize("settings, setting", [
    ({"GOMP_SPINCOUNT": "77"}, "GOMP_SPINCOUNT = '77'"),
    ({OPTION: "active"}, "GOMP_SPINCOUNT = '12000'"), ({}, "OMP_WAIT_POLICY = 'PASSIVE'")])
def test_policy_is_set_before_openmp_is_loaded(settings, setting):
    """The library lists its settings (OMP_DISPLAY_ENV) when the first kernel is opened."""
    try:
        if "clang" in choose_backend("cpp").why:
            pytest.skip("LLVM's OpenMP lists its settings in another format")
    except BackendError as error:
        pytest.skip(str(error))
    environ = {key: value for key, value in os.environ.items()
               if key not in (OPTION, *OPENMP_VARIABLES)}
    answer = subprocess.run([sys.executable, "-c", FIRST_KERNEL], capture_output=True, text=True,
                            env=environ | settings | {"OMP_DISPLAY_ENV": "verbose"}, check=True)
    assert setting in answer.stderr
