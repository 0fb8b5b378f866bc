"""What several tests share: the backends that run here, with a visible skip for the others."""

import numpy as np
import pytest

from ekm3d.backend import BackendError, choose_backend


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(tmp_path_factory):
    """Kernels are compiled afresh for every test run; nothing is left in the user's cache."""
    folder = tmp_path_factory.mktemp("kernels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EKM3D_CACHE", str(folder))
        yield folder


@pytest.fixture(params=["numpy", "cpp"])
def backend(request):
    """Every backend of this version in turn."""
    try:
        return choose_backend(request.param)
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture
def rng():
    """Random numbers, the same in every run; the seed means nothing."""
    return np.random.default_rng(20231)
