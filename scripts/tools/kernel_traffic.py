"""Traffic of the kernels per voxel, and a step's time on a GPU by these: kernels/traffic.md.

    python scripts/tools/all_tables.py       write the tables, with the others

Bytes are compulsory ones, from the declarations: every array once, whatever a cache keeps and
however often a neighbour is read again; an output that the text also reads counts once all the
same. Calls of a step are counted in a small block. Nothing of it is measured on a GPU.
"""

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kernel_resources import Recorder, small_field_block

from ekm3d.backends.base import NONE
from ekm3d.backends.kernel_signature import KINDS, Parameter, signature
from ekm3d.grid.grid import SEGMENT
from ekm3d.resources import kernel_text

PAGE = Path(__file__).resolve().parents[2] / "kernels" / "traffic.md"
GPUS = {"A100 80 GB": 2.0e12, "H200": 4.8e12}       # nominal bytes/s
REACHED = 0.75                                      # of these, by streaming kernels: assumed
ITERATIONS = 14         # of both solvers in a step, as the field block takes at 10 cm
CYCLE = ("smooth_from_zero", "restrict_residual", "prolong", "smooth", "smooth_and_sum")
EACH_ITERATION = ("apply_to_direction", "update_solution", "update_direction")
LEVELS = 4 / 3          # all levels of a W-cycle over its first: each has an eighth, visited twice
BUILDING = {"coarsen": 1.0, "invert_diagonal": 8 / 7}   # once over all levels, for every operator
STEPS = 2


class Counting(Recorder):
    """Recorder that counts calls, and runs NumPy's functions."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.calls: Counter[str] = Counter()

    def bind(self, op: Any, fixed: Mapping[str, Any] = NONE, **constants: Any
             ) -> Callable[..., Any]:
        """Return the function, counted."""
        super().bind(op, fixed, **constants)

        def call(*values: Any) -> Any:
            self.calls[op.__name__] += 1
            return op(*values)
        return call


def counted() -> Counting:
    """Return a backend after the third step of a small field block, with the calls of that one."""
    backend = Counting("a count of calls")
    sim = small_field_block(backend)
    for _ in range(STEPS):
        sim.step()
    backend.calls.clear()
    sim.step()
    return backend


def size(p: Parameter, constants: Mapping[str, int]) -> float:
    """Return the bytes of an array of a kernel per voxel of its grid."""
    if not p.array or p.table:
        return 0.0
    number = 1.0
    for count in p.each:
        number *= int(count) if count.isdigit() else constants[count]
    word, of = p.shape
    share = {"SEGMENTS": 1 / SEGMENT, "LIST": 1.0}.get(word, 1.0 if of in (None, "g") else 1 / 8)
    return number * share * KINDS[p.kind].itemsize


def traffic_of_all(backend: Recorder) -> dict[str, tuple[float, float]]:
    """Return {kernel: (bytes read, bytes written)} per voxel; lists, but newton's, are left out."""
    found = {}
    for (source, _, options), names in backend.asked.items():
        constants = {key: int(value) for key, _, value in (
            option[2:].partition("=") for option in options) if value.isdigit()}
        for name in names:
            arrays = [p for p in signature(kernel_text(source), name) or ()
                      if p.shape[0] != "LIST" or name == "newton"]
            found[name] = (sum(size(p, constants) for p in arrays if not p.output),
                           sum(size(p, constants) for p in arrays if p.output))
    return found


def calls_of_a_step(calls: Mapping[str, float]) -> dict[str, float]:
    """Return the calls of a step in a large block, in those of the whole grid.

    calls: counted in a small one, which has no coarse levels.
    """
    solves = calls["scale_operator"]
    many = dict(calls) | {name: solves * n for name, n in BUILDING.items()}
    many |= {name: float(ITERATIONS) for name in EACH_ITERATION} | {
        name: ITERATIONS * LEVELS for name in CYCLE}
    return many | {"newton": 1.0, "small_cycle": 0.0}


def traffic() -> str:
    """Return the Markdown table of all kernels."""
    return tables()[0]


def step() -> str:
    """Return the Markdown table of a whole step."""
    return tables()[1]


@functools.cache
def tables() -> tuple[str, str]:
    """Return both tables."""
    backend = counted()
    found, calls = traffic_of_all(backend), calls_of_a_step(backend.calls)
    rows = ["| kernel | reads [B] | writes [B] | calls of a step | bytes of a step |",
            "| --- | ---: | ---: | ---: | ---: |"]
    total = 0.0
    for name, (reads, writes) in sorted(found.items()):
        number = calls.get(name, 0.0)
        moved = number * (reads + writes)
        total += moved
        rows.append(f"| `{name}` | {reads:.0f} | {writes:.0f} | {number:.3g} | {moved:.0f} |")
    rows.append(f"| all | | | | {total:.0f} |")
    times = ["| GPU | nominal [TB/s] | ns per voxel | 128^3 voxels [ms] | 1e8 voxels [s] |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for gpu, rate in GPUS.items():
        each = total / (REACHED * rate)
        times.append(f"| {gpu} | {1e-12 * rate:.1f} | {1e9 * each:.2f} | "
                     f"{1e3 * each * 128**3:.1f} | {each * 1e8:.2f} |")
    return "\n".join(rows) + "\n", "\n".join(times) + "\n"


TABLES = {"traffic": traffic, "step": step}
