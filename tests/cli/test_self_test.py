"""Self-test of a GPU: what it finds, and what it remembers; on the stand-in for CuPy."""

import sys

import pytest
from helpers import cuda_stand_in

from ekm3d.backends.cuda import CudaBackend
from ekm3d.cli import self_test
from ekm3d.cli.self_test import backend_of
from ekm3d.model.simulation import Simulation
from ekm3d.parallel.team import Alone
from ekm3d.physics.transport import component_gain


@pytest.fixture
def marks(monkeypatch, tmp_path):
    """Folder of what is remembered, empty at first."""
    monkeypatch.setattr(self_test, "cache_folder", lambda: tmp_path)
    return tmp_path


def test_a_gpu_that_agrees_with_numpy_is_taken_and_remembered(monkeypatch, marks):
    """The second time no step is taken; another version of a driver is another GPU."""
    monkeypatch.setitem(sys.modules, "cupy", cuda_stand_in)
    assert backend_of("auto").name == "cuda" and len(list(marks.iterdir())) == 1
    steps = []
    monkeypatch.setattr(Simulation, "step", lambda self: steps.append(1))
    assert backend_of("auto").name == "cuda" and not steps
    assert backend_of("auto", Alone()).name == "cpp"          # of several processes, another team
    monkeypatch.setattr(cuda_stand_in.runtime, "driverGetVersion", lambda: 1)
    monkeypatch.setattr(Simulation, "step", lambda self: 1 / 0)
    taken = backend_of("auto")
    assert taken.name == "cpp" and "self-test failed: ZeroDivisionError" in taken.why
    assert len(list(marks.iterdir())) == 1


def test_a_gpu_that_computes_otherwise_is_not_taken(marks):
    """One kernel one hundredth too large: what the voxels gain, and with it all else, is off."""
    class Off(CudaBackend):
        def bind(self, op, **constants):
            bound = super().bind(op, **constants)
            if op is not component_gain:
                return bound

            def call(*values):
                bound(*values)
                values[-1][...] = values[-1] * 1.01
            return call

    wrong = self_test.fault(Off("test", cuda_stand_in))
    assert "differs from NumPy's by" in wrong and not list(marks.iterdir())
