"""Generated header of kernel constants: values to the last bit, types, and where they come from."""

import ctypes
import re

import numpy as np
import pytest

from ekm3d import constants
from ekm3d.backends import kernel_constants, kernel_signature
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.kernel_constants import constants_header, declarations, module_constants
from ekm3d.errors import BackendError
from ekm3d.grid import grid
from ekm3d.parallel import reproducible_sum

AWKWARD = {"THIRD": 1 / 3, "TENTH": 0.1, "SMALL": 5e-324, "LARGE": 1.7976931348623157e308,
           "NEGATIVE": -2.5, "WHOLE": 10.0, "SINGLE": np.float32(0.1), "COUNT": -38}


def test_declarations_have_the_type_of_the_value():
    assert declarations({"N": 26, "SHARP": 10.0, "FIRST": np.float32(0.1)}) == [
        "constexpr int N = 26;\n", "constexpr REAL SHARP = REAL(10.0);\n",
        "constexpr float FIRST = float(0.10000000149011612);\n"]


@pytest.mark.parametrize("value, error", [
    (True, TypeError), ("1.0", TypeError), (None, TypeError), (float("nan"), ValueError),
    (float("inf"), ValueError)])
def test_values_without_a_literal_are_refused(value, error):
    with pytest.raises(error, match="kernel constant NAME"):
        declarations({"NAME": value})


def test_compiler_reads_floats_back_to_the_same_bits(monkeypatch, tmp_path):
    """Repr is the shortest decimal that rounds to the same double, and so to the same float32."""
    try:
        cpp = choose_backend("cpp")
    except BackendError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("EKM3D_CACHE", str(tmp_path))
    monkeypatch.setattr(kernel_constants, "module_constants",
                        lambda name: AWKWARD | {"SEGMENT": 32} if "own" in name else {})
    text = "".join(f'extern "C" double get_{name}() {{ return {name}; }}\n' for name in AWKWARD)
    library = cpp.library("own.cu", text, {})
    for name, value in AWKWARD.items():
        function = getattr(library, f"get_{name}")
        function.restype = ctypes.c_double
        assert function() == float(value), name


def test_every_kernel_has_the_constants_of_physics_and_grid():
    header = constants_header(["trial.cu"])
    assert f"constexpr REAL FARADAY = REAL({constants.FARADAY!r});" in header
    assert f"constexpr int SEGMENT = {grid.SEGMENT};" in header
    assert "WIDTH" not in header


def test_a_module_states_the_constants_of_its_kernel_files():
    """Found by path; a header of the same path, or of another module, adds each of them once."""
    sources = ["parallel/reproducible_sum.cuh", "grid/faces.cuh", "parallel/reproducible_sum.cu"]
    header = constants_header(sources)
    for name, value in reproducible_sum.KERNEL_CONSTANTS.items():
        assert header.count(f"constexpr int {name} = {value};") == 1


def test_a_missing_module_has_no_constants_but_a_broken_one_is_an_error(monkeypatch):
    assert module_constants("ekm3d.nowhere") == {} == module_constants("ekm3d.nowhere.either")
    assert module_constants("ekm3d.suggest") == {}

    def broken(name):
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")
    kernel_constants._module.cache_clear()
    monkeypatch.setattr(kernel_constants.importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError, match="scipy"):
        module_constants("ekm3d.solvers.elliptic")


def test_constants_come_before_all_other_headers():
    text = kernel_signature.pasted("trial.cu", kernel_signature.TRIAL)
    order = re.findall(r'^#line 1 "(.*)"$', text, flags=re.M)
    assert order == ["constants.cuh", "ekm.cuh", "trial.cu"]
