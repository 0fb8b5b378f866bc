"""Newton's method in compiled code against the NumPy reference, on the chemistry's test systems."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.field_voxels import CHEM, ENGINE, THETA, H, anything, check, ore

from ekm3d import errors
from ekm3d.backends import base, cpp
from ekm3d.backends.cuda import CudaBackend
from ekm3d.backends.kernel_constants import constants_header
from ekm3d.chemistry import newton
from ekm3d.chemistry.equilibrium import (
    ChemistryError,
    EquilibriumSolver,
    _Solution,
    acidity_from_neutrality,
)
from ekm3d.resources import kernel_text

COMPILED = {"cpp": lambda: cpp.CppBackend("test"),
            "launched": lambda: CudaBackend("test", cuda_stand_in),
            "gpu": lambda: CudaBackend("test", pytest.importorskip("cupy"))}


@pytest.fixture(scope="module", params=["cpp", "launched",
                                        pytest.param("gpu", marks=pytest.mark.gpu)])
def there(request):
    """Backends with compiled code; "launched": CUDA launches emulated on the host."""
    try:
        return COMPILED[request.param]()
    except errors.BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def engine(there):
    made = EquilibriumSolver(CHEM, backend=there)
    assert made.compiled
    return made


def on_backend(engine, total, sites, warm_start):
    """Return the arguments of `EquilibriumSolver.solve_list` on the backend of `engine`."""
    move, given = engine.backend.from_numpy, engine._inputs(total, THETA, sites)
    moved_sites = replace(sites, cec=move(given.cec), slope=move(given.slope),
                          reference_pH=move(given.reference_pH))
    return (move(given.total), move(np.full(total.shape[1], THETA)), moved_sites,
            move(warm_start))


def run(engine, total, sites, start):
    """Return (ChemicalState, steps, done) of the kernel alone in NumPy, from `start` (U, n)."""
    n, there = total.shape[1], engine.backend
    given = on_backend(engine, total, sites, start[:CHEM.unknowns])
    state = engine.allocate_state(*given)
    steps, done = engine.compiled(state, there.arange(n), engine.tolerance, 0.0)
    found = {name: there.to_numpy(value) for name, value in vars(state).items()
             if name != "limits"}
    found["solid"] = found["warm_start"][CHEM.unknowns - len(CHEM.minerals):]
    return SimpleNamespace(**found), there.to_numpy(steps), there.to_numpy(done).astype(bool)


def moved(rng, total, sites, by):
    """Return totals changed by a relative `by`, neutral again."""
    total = total * np.exp(by * rng.normal(size=total.shape))
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec)
    return total


@pytest.mark.parametrize("by", [0.0, 1e-6, 1e-3, 0.3])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 700])
def test_compiled_newton_takes_the_steps_of_numpy(engine, rng, by, n):
    """The same steps to the same equilibrium: field ore moved by nothing, a little and a lot.

    Equal iterations in every voxel mean equal residuals, active minerals and derivatives: a wrong
    entry of the matrix converges more slowly. Solutions agree to 1e-9 where residuals are below
    1e-12 of their terms; nearly always they do to 1e-13.
    """
    total, sites = ore(rng, n)
    start = ENGINE.solve_numpy(total, THETA, sites)
    total = moved(rng, total, sites, by)
    wanted = ENGINE.solve_numpy(total, THETA, sites, start.warm_start)
    found = engine.solve_numpy(total, THETA, sites, start.warm_start)
    assert (found.iterations == wanted.iterations).mean() > 0.98
    for name in ("c", "exchanged", "site", "ionic_strength", "water_activity", "pH"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9,
                                   atol=1e-300)
    np.testing.assert_allclose(found.solid, wanted.solid, rtol=1e-9, atol=1e-9)
    check(CHEM, total, THETA, sites, found)


@pytest.mark.parametrize("by", [1e-3, 0.3])
def test_compiled_newton_knows_all_activity_coefficients(there, rng, by):
    """Exchange species with coefficients of their own and a term in I/(1 + I), in 300 voxels: the
    steps and equilibria of NumPy, which a wrong derivative would not reach in as many.
    """
    E, S = len(CHEM.exchange), len(CHEM.species)
    chem = replace(CHEM, debye_x=np.full(E, 0.51), size_x=rng.uniform(0.8, 3, E),
                   linear_x=rng.uniform(0, 0.2, E), saturating=rng.uniform(-0.3, 0.3, S),
                   debye_A=rng.uniform(0.49, 0.53, S))
    reference, engine = EquilibriumSolver(chem), EquilibriumSolver(chem, backend=there)
    total, sites = ore(rng, 300)
    start = reference.solve_numpy(total, THETA, sites)
    total = moved(rng, total, sites, by)
    wanted = reference.solve_numpy(total, THETA, sites, start.warm_start)
    found = engine.solve_numpy(total, THETA, sites, start.warm_start)
    assert engine.compiled and (found.iterations == wanted.iterations).mean() > 0.98
    assert wanted.iterations.mean() < 6 if by < 0.1 else wanted.iterations.mean() < 12
    for name in ("c", "exchanged", "ionic_strength", "water_activity", "pH"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9,
                                   atol=1e-300)


def steep(rng, n):
    """Anything, on an exchanger whose capacity reaches its limits within two units of pH."""
    total, sites = anything(rng, n)
    return total, replace(sites, slope=sites.cec)


@pytest.mark.parametrize("make", [ore, anything, steep])
def test_compiled_newton_converges_from_far_in_the_voxels_of_numpy(engine, rng, make):
    """From another voxel's equilibrium: exchangers at their limits, terms cut off, minerals that
    come and go, rounding that forbids 1e-12, and voxels that do not arrive in 25 steps at all.

    These paths are long, and a rounding might send one another way; all but two must agree in the
    number of steps, in convergence, and in the equilibrium. (All do, to 2e-11.)
    """
    total, sites = make(rng, 800)
    start = ENGINE.solve_numpy(total, THETA, sites).warm_start[:, rng.permutation(800)]
    given, wanted = ENGINE._inputs(total, THETA, sites), _Solution(ENGINE.equations, 800)
    with np.errstate(all="ignore"):
        ENGINE._newton(given, np.arange(800), start.copy(), wanted)
    found, steps, done = run(engine, total, sites, start)
    assert ((steps == wanted.steps) & (done == wanted.done)).sum() >= 798
    both = done & wanted.done
    assert both.sum() > 100 and not both.all()
    scale = abs(wanted.terms[:, both]) + 1e-12 * abs(total[:, both]).max(axis=0)
    terms = np.vstack([THETA * found.c, found.exchanged])
    assert (abs(terms - wanted.terms)[:, both] <= 1e-9 * scale).all()


def test_a_solution_stays_what_it_is(engine, rng):
    """Unchanged totals take no step, and the unknowns keep every bit."""
    total, sites = ore(rng, 50)
    cold = engine.solve_numpy(total, THETA, sites)
    start = engine.solve_numpy(total, THETA, sites, cold.warm_start)
    again = engine.solve_numpy(total, THETA, sites, start.warm_start)
    assert not again.iterations.any() and np.array_equal(again.warm_start, start.warm_start)


def test_solve_list_gives_what_solve_numpy_gives(engine, rng):
    """Bit-identical results of `solve_list` on the backend and `solve_numpy`, cold and warm; the
    warm start is not changed."""
    total, sites = ore(rng, 30)
    there, start = engine.backend, engine.solve_numpy(total, THETA, sites)
    later = moved(rng, total, sites, 0.1)
    warm_start = on_backend(engine, later, sites, start.warm_start)
    for given, wanted in ((on_backend(engine, total, sites, start.warm_start)[:3], start),
                          (warm_start, engine.solve_numpy(later, THETA, sites, start.warm_start))):
        found = engine.solve_list(*given)
        for name in ("c", "exchanged", "solid", "gas", "warm_start", "pH"):
            assert np.array_equal(there.to_numpy(getattr(found, name)), getattr(wanted, name)), name
        assert np.array_equal(there.to_numpy(found.strength), wanted.ionic_strength)
    assert np.array_equal(there.to_numpy(warm_start[3]), start.warm_start)


@pytest.mark.parametrize("history", [True, False])
def test_the_voxels_without_an_equilibrium_are_named(engine, rng, history):
    """By their numbers in the lists: those whose water is gone, wherever the lists lie."""
    total, sites = ore(rng, 12)
    start = ENGINE.solve_numpy(total, THETA, sites).warm_start
    total, theta, sites, warm_start = on_backend(engine, total, sites, start)
    theta[3] = theta[10] = 0.0
    with pytest.raises(ChemistryError, match="no water") as error:
        engine.solve_list(total, theta, sites, warm_start if history else None)
    assert list(error.value.voxels) == [3, 10]


def test_wild_systems_from_wild_starts(engine, rng):
    """Totals over 13 decades, started from another voxel's equilibrium, balance all the same.

    Where the compiled Newton does not arrive, a start without history takes over.
    """
    total, sites = anything(rng, 200)
    start = engine.solve_numpy(total, THETA, sites)
    found = engine.solve_numpy(total, THETA, sites, start.warm_start[:, rng.permutation(200)])
    assert 0 < np.count_nonzero(found.restarts) < 200
    check(CHEM, total, THETA, sites, found)


def test_voxels_may_lack_components(engine, rng):
    """No lanthanide in every third voxel, no aluminium in every fourth: as in NumPy,
    and what arrives there without a new start arrives here; the lanthanides come back, and the
    aluminium hydroxide goes as aluminium does."""
    total, sites = ore(rng, 40)
    lanthanides, aluminium = CHEM.group("REE"), CHEM.index("Al")
    total[aluminium] *= 3.0
    total[H] = acidity_from_neutrality(CHEM, total, sites.cec) - 60.0
    whole = ENGINE.solve_numpy(total, THETA, sites)
    assert whole.solid.any(axis=0).sum() > 20
    some = total.copy()
    some[np.ix_(lanthanides, range(0, 40, 3))] = 0.0
    some[aluminium, ::4] = 1e-260
    start = whole.warm_start
    for now in (some, some, total):
        wanted = ENGINE.solve_numpy(now, THETA, sites, start)
        found, steps, done = run(engine, now, sites, start)
        assert (steps[done] == wanted.iterations[done]).mean() > 0.95
        assert np.array_equal(done, wanted.restarts == 0) and done.sum() >= 20
        np.testing.assert_allclose(found.c[:, done], wanted.c[:, done], rtol=1e-9, atol=1e-300)
        np.testing.assert_allclose(found.solid[:, done], wanted.solid[:, done], atol=1e-9)
        absent = ENGINE.equations.absent(now) & done
        assert (found.warm_start[:len(absent)][absent] == -1e4).all()
        start = wanted.warm_start


@pytest.mark.parametrize("n, unsound", [(40, [0, 17, 39])])
def test_voxels_that_do_not_converge_are_flagged_and_not_written(engine, rng, n, unsound):
    """A start of NaN never arrives; done tells, and the others are not disturbed."""
    total, sites = ore(rng, n)
    start = ENGINE.solve_numpy(total, THETA, sites).warm_start
    start[:, unsound] = np.nan
    found, steps, done = run(engine, total, sites, start)
    assert np.array_equal(np.flatnonzero(~done), unsound)
    assert (steps[unsound] == newton.MAX_STEPS).all() and not steps[done].any()
    assert np.isnan(found.warm_start[:, unsound]).all() and not found.c[:, unsound].any()
    assert found.c[:, done].all() and found.strength[done].all()


def test_constants_are_those_of_the_reference():
    """Steps, length of a step, and the numbers that the kernel's text is given."""
    from ekm3d.chemistry import equations
    assert (newton.MAX_STEPS, newton.MAX_LOG_CHANGE) == (EquilibriumSolver.newton_steps,
                                                         EquilibriumSolver.max_log_change)
    header = constants_header(["chemistry/newton.cu"])
    for name, value in (("LN10", np.log(10)), ("LITRES", 1000.0), ("MISSING", -1e4),
                        ("LARGEST", 60.0), ("SATURATED", 1e-10), ("LEAST_PIVOT", 1e-100),
                        ("ABSENT", 1e-250)):
        kind = "REAL" if abs(value) > 1e-37 else "double"
        assert f"constexpr {kind} {name} = {kind}({float(value)!r});" in header
    assert (equations.TRACE, equations.SMALLEST) == (1e-250, 1e-100)


def test_tables_are_named_as_the_parameters_of_the_kernel():
    """Names, types and shapes of NewtonTables are those of the declaration's tables."""
    from ekm3d.backends.kernel_signature import KINDS, signature
    bound = {}

    class Recorder:
        def kernel(self, source, name, **constants):
            bound.update(constants)
            return True

    tables = newton.Newton(ENGINE.equations, Recorder()).tables
    declared = signature(kernel_text(newton.SOURCE), newton.KERNEL)
    parameters = {p.name: p for p in declared if p.table}
    assert parameters.keys() == vars(tables).keys()
    for name, table in vars(tables).items():
        assert table.shape == tuple(bound[count] for count in parameters[name].table), name
        assert table.dtype == KINDS[parameters[name].kind], name


def test_numpy_and_uncovered_systems_have_none(there):
    """Vanselow exchangers and the numpy backend keep the reference."""
    vanselow = replace(CHEM, conventions=("vanselow",))
    assert EquilibriumSolver(vanselow, backend=there).compiled is None
    assert EquilibriumSolver(CHEM, backend=base.Backend("test")).compiled is None
    assert EquilibriumSolver(CHEM).compiled is None
