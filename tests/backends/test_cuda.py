"""The cuda backend: launches, refused arguments, and whole steps on the stand-in device.

Kernels beside their twins, launched block by block, are in test_twins and test_multigrid.
"""

import sys

import numpy as np
import pytest
from helpers import cuda_stand_in
from helpers.quick_flags import quick_backend
from helpers.salt_block import ORE, salt_case
from helpers.slow_options import LIME, MEDIUM, NO_OSMOSIS, SLOW, STILL, SURFACE, ZETA

from ekm3d import Case, Simulation
from ekm3d.backends import choose, kernel_signature
from ekm3d.backends.choose import choose_backend
from ekm3d.backends.cuda import CudaBackend, blocks, loop, packed
from ekm3d.diagnostics.summary import summary
from ekm3d.diagnostics.time_series import TimeSeries
from ekm3d.errors import BackendError
from ekm3d.grid.grid import Grid
from ekm3d.parallel.domain import Domain
from ekm3d.parallel.reproducible_sum import AT_ONCE, ENTRIES
from ekm3d.physics import transport
from ekm3d.resources import case_path, kernel_text
from ekm3d.solvers import multigrid
from ekm3d.solvers.elliptic import EllipticSolver, apply_operator, update_direction

GRID = Grid((4, 3, 2), (0.1, 0.2, 0.3))
RUNS = {"salt": (), "ore": ORE, "slow": (*ORE, *SLOW, STILL, MEDIUM),
        "surface": (*ORE, LIME, SURFACE), "zeta": (*ORE, NO_OSMOSIS, ZETA),
        "second order": (*ORE, LIME, "schedule.order=2")}
FIELD = ("grid.spacing=25 cm",)


def on_device(rng, count, shape=GRID.padded, backend=None):
    return [backend.from_numpy(rng.random(shape)) for _ in range(count)]


def on_operator(rng, backend, grid=GRID):
    """face, b, x, y of the elliptic operator."""
    face, = on_device(rng, 1, (3, *grid.padded), backend)
    return [face, *on_device(rng, 3, grid.padded, backend)]


# ---- launches ------------------------------------------------------------------------------

@pytest.mark.parametrize("source, name, word, over", [
    ("solvers/elliptic.cu", "apply_operator", "EKM_VOXELS", 0),
    ("solvers/elliptic.cu", "update_solution", "EKM_ROWS", 0),
    ("solvers/multigrid.cu", "restrict_residual", "EKM_ROWS", 1),
    ("solvers/multigrid.cu", "prolong", "EKM_ROWS", 0),
    ("solvers/multigrid.cu", "small_cycle", "EKM_BLOCK_ROWS", 0),
    ("physics/transport.cu", "component_gain", "EKM_VOXELS", 0)])
def test_loop_macro_of_a_kernel_decides_its_launch(source, name, word, over):
    """Rows of the grid that the macro names, first or second; by default a thread per voxel."""
    text = kernel_text(source)
    assert loop(text, name, kernel_signature.signature(text, name)) == (word, over)


@pytest.mark.parametrize("cells", [(1, 1, 1), (31, 4, 2), (128, 1, 3), (64, 8, 1),
                                   (5, 300, 2)])
def test_a_launch_reaches_every_voxel_row_and_lower_face(cuda, cells, rng):
    """Threads along each axis: at least voxels + 1, rows exactly one warp wide, 128 in a block.

    The stand-in allows 128 threads, as registers may on a GPU.
    """
    grid = Grid(cells, (1.0, 1.0, 1.0))
    full = on_operator(rng, cuda, grid)
    grids, block, _ = cuda.bind(apply_operator)._launch((grid, *full))
    assert all(g * b > n for g, b, n in zip(grids, block, cells, strict=True))
    assert all((g - 1) * b <= n for g, b, n in zip(grids, block, cells, strict=True))
    assert np.prod(block) == 128 and block[0] % 32 == 0
    z, p = (cuda.zeros(grid.padded, np.float32) for _ in range(2))
    grids, block, _ = cuda.bind(update_direction)._launch((grid, z, 0.5, p))
    assert (grids[0], *block) == (1, 32, 4, 1)
    assert grids[1] * block[1] >= cells[1] and grids[2] * block[2] >= cells[2]


def test_a_list_of_voxels_fills_its_blocks(cuda):
    """One row of n voxels, as the chemistry has them: all threads of a block lie along x."""
    grid = Grid((1000, 1, 1), (1.0, 1.0, 1.0))
    arrays = [cuda.zeros((3, *grid.padded)), *(cuda.zeros(grid.padded) for _ in range(3))]
    grids, block, _ = cuda.bind(apply_operator)._launch((grid, *arrays))
    assert block == (128, 1, 1) and grids == (blocks(1001, 128), 2, 2)


def test_the_grid_travels_by_value():
    """Four int and three double, 40 bytes without a gap: the twin of Grid in ekm.cuh."""
    record = packed(GRID.packed())
    assert record.nbytes == 48 and record.size == 1
    assert record[0].item() == (4, 3, 2, 2, 1, 0.1, 0.2, 0.3)


def test_scalars_keep_the_type_of_their_declaration(cuda):
    """A Python float would be passed as a double where the kernel reads a float."""
    level = multigrid.Level(GRID, cuda.zeros((8 * int(np.prod(GRID.padded)),), np.float32))
    bound = cuda.bind(multigrid.smooth)
    _, _, given = bound._launch((GRID, *level.operator, level.b, level.x, 0.7, level.y))
    assert [a.dtype for a in given[-2:]] == [np.float32, np.uint64]


def test_a_prepared_launch_is_checked_once_and_sees_later_values(cuda):
    z, p = (cuda.zeros(GRID.padded, np.float32) for _ in range(2))
    call = cuda.prepare(cuda.bind(update_direction), GRID, z, 0.5, p)
    z[GRID.inner], p[GRID.inner] = 3.0, 4.0
    call()
    assert (p.get()[GRID.inner] == 5.0).all()
    with pytest.raises(ValueError, match="output p overlaps z"):
        cuda.prepare(cuda.bind(update_direction), GRID, p, 0.5, p)


@pytest.mark.parametrize("index, value, error, message", [
    (2, lambda a: a.get(), TypeError, "x should be a CuPy array of float64, not from numpy"),
    (2, lambda a: a.astype("f4"), TypeError, "x should be a CuPy array of float64, not float32"),
    (0, lambda a: a[..., ::2], ValueError, "face should be contiguous"),
    (1, lambda a: a[1:], ValueError, r"b has shape \(5, 7, 8\), it should be \(6, 7, 8\)")])
def test_wrong_arguments_are_refused(cuda, rng, index, value, error, message):
    """A launch cannot report wrong pointers: they are refused before."""
    given = on_operator(rng, cuda)
    given[index] = value(given[index])
    with pytest.raises(error, match=message):
        cuda.bind(apply_operator)(GRID, *given)


def test_tables_come_from_the_host_and_are_copied_once(cuda):
    """By content: the same numbers in another array are the same table, others are not."""
    still = [cuda.zeros(GRID.padded) for _ in range(6)]
    still[4][...] = 1.0
    fastest = np.array([[1.0, 0.0, 0.0], [0.5, 3.0, 0.0]])
    bound = cuda.bind(transport.outflow_rate, NS=1, NK=1, NF=2)
    still[0][...], still[2][...] = 2.0, 5.0
    cached = len(cuda.cache)
    for table, rate in ((fastest, 16.0), (fastest.copy(), 16.0), (2 * fastest, 32.0)):
        bound(GRID, *still[:5], table, still[5])
        assert (still[5].get()[GRID.inner] == rate).all()
    assert len(cuda.cache) == cached + 2
    with pytest.raises(TypeError, match="fastest should be a NumPy array"):
        bound(GRID, *still[:5], cuda.from_numpy(fastest), still[5])


# ---- places --------------------------------------------------------------------------------

@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_gather_and_add_at_agree_with_the_host(cuda, rng, lead):
    """Voxels that come several times get all values, one after the other as NumPy adds them."""
    voxel = np.array([130, 7, 130, 9, 7, 130])
    array = rng.random((*lead, *GRID.padded))
    values = rng.random((*lead, voxel.size)) * 10.0 ** rng.uniform(-3, 3, voxel.size)
    wanted = array.copy()
    for index in np.ndindex(*lead):
        np.add.at(wanted[index].reshape(-1), voxel, values[index])
    device = cuda.from_numpy(array)
    host = choose_backend("numpy")
    assert np.array_equal(cuda.gather(device, voxel), host.gather(array, voxel))
    cuda.add_at(device, voxel, values)
    host.add_at(array, voxel, values)
    assert np.array_equal(array, wanted) and np.array_equal(device.get(), wanted)
    assert np.array_equal(host.gather(array, voxel[:1])[..., 0], array.reshape(*lead, -1)[..., 130])


@pytest.mark.parametrize("lead", [(), (4,)])
def test_a_weighted_sum_has_the_bits_of_the_host_in_every_voxel(cuda, rng, lead):
    """Bits of a voxel whatever lies beside it, as ranks hold others; BLAS adds by the whole shape.
    """
    weights = rng.normal(size=(*lead, 24)) * (rng.random((*lead, 24)) < 0.7)
    array = rng.normal(size=(24, 7, 5, 3)) * 10.0 ** rng.uniform(-9, 9, (24, 7, 5, 3))
    found = cuda.weighted_sum(weights, cuda.from_numpy(array)).get()
    assert np.array_equal(found, choose_backend("numpy").weighted_sum(weights, array))
    for part in (np.s_[..., :2], np.s_[..., 0, 0, 0]):
        alone = cuda.weighted_sum(weights, cuda.from_numpy(array[part].copy()))
        assert np.array_equal(alone.get(), found[part])


def test_cache_of_small_arrays_is_bounded(cuda, monkeypatch):
    monkeypatch.setattr("ekm3d.backends.cuda.CACHED_ARRAYS", 3)
    for n in range(20):
        assert cuda.cached(np.array([n])).get() == n
    assert len(cuda.cache) <= 3


def test_one_process_assembles_the_whole_grid_on_the_device(cuda, rng):
    """Multigrid needs it in every cycle: copies on the device, none by way of the host."""
    domain, array = Domain(GRID, cuda), rng.random((3, *GRID.padded))
    part, whole, back = cuda.from_numpy(array), cuda.zeros(array.shape), cuda.zeros(array.shape)
    cuda_stand_in.crossed.largest = 0
    domain.assemble(part, whole)
    domain.extract(whole, back)
    assert cuda_stand_in.crossed.largest == 0
    for copy in (whole, back):
        assert np.array_equal(copy.get()[GRID.inner], array[GRID.inner])


# ---- choice --------------------------------------------------------------------------------

def test_cuda_without_cupy_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match="'cuda' cannot run: CuPy is not installed.*ekm3d.cuda12"
                       ".*use --backend numpy or cpp"):
        choose_backend("cuda")
    taken = choose_backend("auto", lambda backend: "")
    assert taken.name != "cuda" and "CuPy is not installed" in taken.why


@pytest.mark.parametrize("place, reason", [("getDeviceCount", "no device"),
                                           ("getDeviceProperties", "driver too old")])
def test_cuda_without_a_device_that_answers_is_refused(monkeypatch, place, reason):
    """With the first line of CuPy's message."""
    def fail(*_):
        raise RuntimeError(f"{reason}\nand more")
    monkeypatch.setitem(sys.modules, "cupy", cuda_stand_in)
    monkeypatch.setattr(cuda_stand_in.runtime, place, fail)
    with pytest.raises(BackendError, match=f"RuntimeError: {reason}. It needs an NVIDIA GPU"):
        choose_backend("cuda")


def test_a_device_that_cannot_compile_is_refused(monkeypatch):
    """NVRTC may be missing where a device answers: a trial kernel runs before the first step."""
    def fail(**_):
        raise OSError("libnvrtc.so: not found")
    monkeypatch.setitem(sys.modules, "cupy", cuda_stand_in)
    monkeypatch.setattr(cuda_stand_in, "RawModule", fail)
    with pytest.raises(BackendError, match="OSError: libnvrtc.so: not found"):
        choose_backend("cuda")
    assert choose_backend("auto").name == "cpp"


def test_auto_takes_a_gpu_that_passes_a_trial(monkeypatch):
    """Without a trial, as for several processes, none; else it says what was wrong with it."""
    monkeypatch.setitem(sys.modules, "cupy", cuda_stand_in)
    taken = choose_backend("auto")
    assert taken.name == "cpp" and "cuda" not in taken.why
    taken = choose_backend("auto", lambda backend: "" if backend.name == "cuda" else "no GPU")
    assert taken.name == "cuda" and "chosen by auto" in taken.why and "the host" in taken.why
    assert choose_backend(taken) is taken
    taken = choose_backend("auto", lambda backend: "two and two are five")
    assert taken.name == "cpp" and "'cuda' is not taken: two and two are five" in taken.why


# ---- whole steps ---------------------------------------------------------------------------

def pair(monkeypatch, case, module):
    """The same case on the host's compiler, at -Og, and on a device."""
    monkeypatch.setitem(choose.BUILDERS, "cuda", lambda why: CudaBackend(why, module))
    return Simulation(case, quick_backend()), Simulation(case, "cuda")


def compare(one, other, steps):
    """Steps of both, and how far they are apart, relative to the largest value of every array.

    1e-12 but for the potential: each solver stops when its residual is below 1e-11 of the source.
    """
    for _ in range(steps):
        assert abs(one.step() / other.step() - 1) < 1e-12
    apart = {"kinetic_minerals", "slow_sites", "immobile"} & one.state.fields.keys()
    for name in ("totals", "c", "exchanged", "solid", *sorted(apart), "transport_factor", "phi",
                 "head", "catholyte_totals", "plate_totals", "leachate", "drained",
                 "injected", "electrode_acid"):
        mine, theirs = getattr(one.state, name), other.backend.to_numpy(getattr(other.state, name))
        far = np.abs(mine - theirs).max(initial=0.0)
        bound = 1e-11 if name in ("phi", "head") else 1e-12
        assert far <= bound * np.abs(mine).max(initial=0.0), name
    assert other.balances.mass_errors().max() < 1e-13
    assert other.balances.faraday_error() < 1e-9


@pytest.mark.parametrize("run", [pytest.param(run, marks=[pytest.mark.slow] * (
    run in ("salt", "ore"))) for run in RUNS])     # the others are ore, too
def test_a_block_takes_the_same_steps_on_the_device(monkeypatch, tmp_path, run):
    """Nothing of the host beside a device array, and the same mine: salt, ore and slow parts."""
    case = Case.read(salt_case(tmp_path), RUNS[run])
    compare(*pair(monkeypatch, case, cuda_stand_in), steps=3)


def test_the_field_block_takes_the_same_steps_and_tells_the_same(monkeypatch):
    """Rows of electrodes, wells and all of the chemistry; then a row of the series.

    No voxels cross for that: the largest of what does is the bins of 8 sums, 5 numbers each.
    """
    one, other = pair(monkeypatch, Case.read(case_path("field_saturated"), FIELD), cuda_stand_in)
    compare(one, other, steps=2)
    rows = []
    for sim in (one, other):
        monitor = TimeSeries(sim)
        monitor.record(60.0)
        cuda_stand_in.crossed.largest = 0
        rows.append(monitor.row())
        largest = cuda_stand_in.crossed.largest
        rows[-1] |= summary(monitor, 1.0)
    assert largest == ENTRIES * AT_ONCE < sim.voxels.index.size
    assert rows[0].keys() == rows[1].keys()
    for name, value in rows[0].items():
        balance = "balance" in name or "faraday" in name
        assert rows[1][name] == value if value is None or isinstance(value, str) else \
            abs(rows[1][name] - value) <= (1e-9 if balance else 1e-10 * abs(value)), name


def test_a_run_writes_the_same_files(monkeypatch, tmp_path):
    """From the first second to the last, with its snapshots: the command line's own way."""
    case = Case.read(salt_case(tmp_path), (*ORE, "schedule.stage.0.duration=20 min"))
    results = [sim.run(tmp_path / sim.backend.name, quiet=True)
               for sim in pair(monkeypatch, case, cuda_stand_in)]
    assert "cuda" in (tmp_path / "cuda" / "log.txt").read_text()
    one, other = (r.series for r in results)
    for name in one:
        if "balance" not in name and "error" not in name:
            np.testing.assert_allclose(other[name], one[name], rtol=1e-9, atol=1e-12,
                                       err_msg=name)


def test_a_column_of_voxels_is_solved_directly_on_the_device_too(cuda, rng):
    """Tridiagonal: -(x'' - x) = f with its own operator's image as the source, to 1e-12."""
    grid = Grid((9, 1, 1), (1.0, 1.0, 1.0))
    face, (b, x, f) = np.zeros((3, *grid.padded)), np.zeros((3, *grid.padded))
    face[2][grid.inner][..., :-1], b[grid.inner] = 1.0, 1.0
    x[grid.inner] = rng.random(grid.shape)
    apply_operator(grid, face, b, x, f)
    found, solver = cuda.zeros(grid.padded), EllipticSolver(grid, cuda, Domain(grid, cuda))
    solver.solve(*map(cuda.from_numpy, (face, b, f)), found)
    assert np.abs(found.get() - x).max() < 1e-12 and solver.iterations == 0


def test_what_crosses_to_the_host_in_a_step_is_nothing_of_the_chemistry(monkeypatch, tmp_path):
    """An iteration adds up twice at most; all else takes 60 at most, what is asked of contact
    faces and of the whole block. Of the ore's chemistry one, of two numbers: how many voxels are
    left to NumPy, and the most steps.
    """
    _, sim = pair(monkeypatch, Case.read(salt_case(tmp_path), ORE), cuda_stand_in)
    sim.step()
    before, spent, solve = cuda_stand_in.crossed.times, [], sim.engine.solve

    def watched(cells, where, elapsed=None):
        begun = cuda_stand_in.crossed.numbers, cuda_stand_in.crossed.times
        effort = solve(cells, where, elapsed)
        spent.append((where.size, cuda_stand_in.crossed.numbers - begun[0],
                      cuda_stand_in.crossed.times - begun[1]))
        return effort

    monkeypatch.setattr(sim.engine, "solve", watched)
    sim.step()
    iterations = sim.potential.iterations + sim.flow.iterations
    assert cuda_stand_in.crossed.times - before < 2 * iterations + 60
    assert max(spent) == (sim.voxels.index.size, 2, 1)


@pytest.mark.parametrize("run", ["slow", "surface", "zeta"])
def test_slow_parts_of_the_ore_stay_on_the_device(monkeypatch, tmp_path, run):
    """Once there is a history, single numbers are all that crosses, either way.

    These are whether the immobile water is as it was left, and in pairs how many voxels are left to
    NumPy and how many steps Newton's method took at most. In the first step the processes' targets
    have no history, and lists of the ore cross: it shows that they would be seen.
    """
    _, sim = pair(monkeypatch, Case.read(salt_case(tmp_path), RUNS[run]), cuda_stand_in)
    largest, times, advance = [], [], sim.nonequilibrium.advance

    def watched(s, dt):
        cuda_stand_in.crossed.largest, before = 0, cuda_stand_in.crossed.times
        advance(s, dt)
        largest.append(cuda_stand_in.crossed.largest)
        times.append(cuda_stand_in.crossed.times - before)

    monkeypatch.setattr(sim.nonequilibrium, "advance", watched)
    for _ in range(3):
        sim.step()
    assert (largest[0] >= sim.voxels.index.size) == bool(sim.nonequilibrium.processes)
    assert largest[1:] == [2, 2] and max(times[1:]) < 12


@pytest.mark.gpu
@pytest.mark.parametrize("run", RUNS)
def test_a_block_takes_the_same_steps_on_a_gpu(monkeypatch, tmp_path, run):
    """As on the stand-in, but for fused multiply-add: 1e-9 where a solver stops."""
    cupy = pytest.importorskip("cupy")
    case = Case.read(salt_case(tmp_path), RUNS[run])
    one, other = pair(monkeypatch, case, cupy)
    for _ in range(3):
        assert abs(one.step() / other.step() - 1) < 1e-9
    for name in ("totals", "c", "exchanged", "solid", "phi"):
        mine, theirs = getattr(one.state, name), other.backend.to_numpy(getattr(other.state, name))
        assert np.abs(mine - theirs).max(initial=0.0) <= 1e-9 * np.abs(mine).max(initial=0.0), name
    assert other.balances.mass_errors().max() < 1e-13
