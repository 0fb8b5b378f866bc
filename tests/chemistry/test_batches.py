"""Independence of voxels: the result of one is bit-identical whichever others are solved with it.

Otherwise a run would have other digits on other numbers of ranks. BLAS and NumPy's own sums group
additions by the shape of an array; chunks, packs of lanes and pivot orders depend on the other
voxels, too.
"""

from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.field_voxels import CHEM, THETA, anything, ore
from helpers.quick_flags import QUICK
from helpers.random_systems import (
    BATCH,
    CARBON_DIOXIDE,
    POLYMORPHS,
    totals,
    with_exchangers,
    with_gas,
    with_minerals,
    with_sizes,
)

from ekm3d import errors
from ekm3d.backends import cpp
from ekm3d.backends.cuda import CudaBackend
from ekm3d.backends.fixed_order_sum import WeightedSum, sum_rows
from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites

MADE = {"numpy": lambda: None, "cpp": lambda: cpp.CppBackend("test"),
        "launched": lambda: CudaBackend("test", cuda_stand_in)}
RIVALS = with_minerals(BATCH, *POLYMORPHS)
DRAWN = {"drawn sizes": with_sizes(BATCH, np.random.default_rng(7719)),
         "vanselow": with_exchangers(BATCH, "vanselow"), "gapon": with_exchangers(BATCH, "gapon"),
         "three exchangers": with_exchangers(BATCH, "gaines-thomas", "vanselow", "gapon"),
         "rivals": RIVALS, "open rivals": with_gas(RIVALS, *CARBON_DIOXIDE, 4e-4),
         "open": with_gas(BATCH, *CARBON_DIOXIDE, 4e-4)}
FROM_COLD = ("ore", "anything", "open rivals")    # systems that are solved without a start, too
SIZES = (1, 2, 3, 7, 100)
N = sum(SIZES)


def drawn(name, rng):
    """Return (system, total, theta, sites) of N voxels."""
    if name in DRAWN:
        chem = DRAWN[name]
        total, site = totals(chem, rng, N)
        return chem, 1e3 * total, np.ones(N), Sites(1e3 * site, 20.0 * site, 6.0)
    total, sites = {"ore": ore, "anything": anything}[name](rng, N)
    each = [np.broadcast_to(v, N).copy() for v in (sites.cec, sites.slope)]
    return CHEM, total, np.full(N, THETA), Sites(*each, sites.reference_pH)


@lru_cache
def begun(name):
    """Return a system of N voxels and its unknowns, solved by NumPy, for all backends in turn."""
    system = drawn(name, np.random.default_rng(1207))
    return system, solve(EquilibriumSolver(system[0]), system, None, np.arange(N)).warm_start


def solve(engine, system, warm_start, voxels):
    """Return the Result of some voxels only."""
    _, total, theta, sites = system
    cec, slope = (np.asarray(v)[..., voxels] for v in (sites.cec, sites.slope))
    return engine.solve_numpy(total[:, voxels], theta[voxels],
                              Sites(cec, slope, sites.reference_pH),
                              None if warm_start is None else warm_start[:, voxels])


def differences(one, other, voxels):
    """Return the names of arrays of a Result that differ from the voxels of another in any bit."""
    return [name for name, value in vars(one).items()
            if not np.array_equal(np.asarray(value), np.asarray(getattr(other, name))[..., voxels],
                                  equal_nan=value.dtype.kind == "f")]


@pytest.mark.parametrize("kind, name", [
    pytest.param(kind, name, marks=[pytest.mark.slow] * (kind == "launched" and name in DRAWN))
    for kind in MADE for name in ("ore", "anything", *DRAWN)])
def test_result_of_a_voxel_does_not_depend_on_the_batch(kind, name, rng):
    """Sizes 1 to 100, permuted, with and without history: equal bits, of steps and restarts too.

    Systems covered by compiled code run in it; some voxels there start far away, some lack
    components and some are restarted cold. The field's chemistry with the flags of production.
    """
    (chem, total, theta, sites), first = begun(name)
    try:
        quick = kind == "cpp" and name in DRAWN
        made = cpp.CppBackend("test", QUICK) if quick else MADE[kind]()
        engine = EquilibriumSolver(chem, backend=made)
    except errors.BackendError as error:
        pytest.skip(str(error))
    if kind != "numpy" and not engine.compiled:
        return
    starts = [first]
    if name not in DRAWN:
        starts.append(first[:, np.roll(np.arange(N), 5)])
    if kind == "numpy" and name in FROM_COLD:
        starts.append(None)
    system = chem, total * np.exp(1e-4 * rng.normal(size=total.shape)), theta, sites
    for start in starts:
        whole = solve(engine, system, start, np.arange(N))
        for part in np.split(rng.permutation(N), np.cumsum(SIZES)[:-1]):
            assert not differences(solve(engine, system, start, part), whole, part)


def test_compiled_code_covers_systems_with_one_pivot_order():
    """Systems above with one pivot order and no Vanselow exchanger are compiled."""
    host = SimpleNamespace(kernel=lambda *_, **__: True)
    covered = {name for name, chem in DRAWN.items()
               if EquilibriumSolver(chem, backend=host).compiled}
    assert covered == {"drawn sizes", "gapon", "open"}


@pytest.mark.parametrize("few", [0, 10**9], ids=["scipy", "numpy"])
@pytest.mark.parametrize("n", [1, 2, 5, 64, 130])
def test_weighted_sum_adds_terms_in_order(rng, n, few, monkeypatch):
    """Written out as loops over numbers, to the bit; columns of an array without rows are 0.

    A single row of -0.0 becomes 0.0, as the sum begins with 0. Trailing axes stay as they are.
    """
    monkeypatch.setattr("ekm3d.backends.fixed_order_sum.FEW", few)
    weights, array = rng.normal(size=(6, 23)), rng.normal(size=(23, n)) * 10.0**rng.integers(9)
    weights[rng.random(weights.shape) < 0.4] = 0.0
    weights[2] = 0.0
    found, whole = WeightedSum(weights)(array), sum_rows(array)
    for column in range(n):
        for row in range(6):
            total = 0.0
            for by, value in zip(weights[row], array[:, column], strict=True):
                total += by * value
            assert found[row, column] == total
        total = 0.0
        for value in array[:, column]:
            total += value
        assert whole[column] == total
    assert np.array_equal(WeightedSum(weights)(array.reshape(23, n, 1)), found[..., None])
    assert not WeightedSum(np.zeros((2, 0)))(np.zeros((0, n))).any()
    assert sum_rows(np.zeros((0, n))).tolist() == n * [0.0]
    assert not np.signbit(sum_rows(np.full((1, n), -0.0))).any()
