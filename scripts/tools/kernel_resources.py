"""Registers, stack and occupancy of every kernel on a GPU: the table of kernels/resources.md.

    python scripts/tools/kernel_resources.py             write the table
    python scripts/tools/kernel_resources.py --check     exit code 1 if a kernel needs more than
                                                         the table says
    python scripts/tools/kernel_resources.py --print     print it, other versions of NVRTC included

Needs neither GPU nor driver: NVRTC (ekm3d[dev]) compiles the kernels with the options and the
compile-time constants that the field block gives them, and its assembler tells what they need.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nvrtc import Compiler, compiler

from ekm3d.backends import choose
from ekm3d.backends.base import NONE, Backend
from ekm3d.backends.cuda import BLOCK_ROWS, OPTIONS, ROWS, WARP, loop
from ekm3d.backends.fixed_parameters import with_constants
from ekm3d.backends.kernel_signature import (
    defines,
    kernel_names,
    pasted,
    signature,
    with_statements,
)
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path, kernel_text

PAGE = Path(__file__).resolve().parents[2] / "kernels" / "resources.md"
BEGIN, END = "<!-- begin: resources -->\n", "<!-- end: resources -->"
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
CUPY = ("-ftz=true", "--device-as-default-execution-space")     # CuPy's own options
REGISTERS, WARPS = 65536, 64                  # of an SM, sm_80 to sm_100
UNIT, GROUP = 256, 4                          # registers are given to warps so many at a time
HEAD = ["kernel", "threads", "registers", "stack", "spills", "shared", "warps"]


@dataclass(frozen=True)
class Resources:
    """Needs of one kernel: registers of a thread; bytes of its stack, of spilled registers
    (stores and loads, as the code has them), and of its block's shared memory."""

    registers: int
    stack: int
    spills: int
    shared: int


class Recorder(Backend):
    """NumPy backend that records which kernels are asked for, with which constants."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.asked: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}

    def kernel(self, source: str, name: str, fixed: Mapping[str, Any] = NONE,
               written: Mapping[str, str] = NONE, **constants: Any) -> None:
        """Record a kernel; None sends the caller to NumPy."""
        text = with_constants(with_statements(kernel_text(source), written), fixed)
        names = self.asked.setdefault((source, text, tuple(defines(constants))), [])
        if name not in names:
            names.append(name)


def asked_by_the_field_block() -> Mapping[tuple[str, str, tuple[str, ...]], list[str]]:
    """Return (file, its text for cuda, compiler options) -> kernels that the field block binds."""
    recorder = Recorder("a record of kernels")
    small_field_block(recorder)
    return recorder.asked


def small_field_block(backend: Backend, coarse: str = "grid.spacing=['25 cm', '50 cm', '50 cm']"
                      ) -> Simulation:
    """Return the field block on a coarse grid, on a backend of the caller's."""
    choose.BUILDERS["caller's"] = lambda why: backend
    try:
        return Simulation(Case.read(case_path("field_saturated"), [coarse]), "caller's")
    finally:
        del choose.BUILDERS["caller's"]


def parsed(log: str) -> dict[str, Resources]:
    """Return the resources of every kernel in the assembler's report (ptxas -v)."""
    found = {}
    for part in log.split("Function properties for ")[1:]:
        def number(pattern: str, part: str = part) -> int:
            match = re.search(pattern, part)
            return int(match[1]) if match else 0
        found[part.split()[0]] = Resources(
            number(r"Used (\d+) registers"), number(r"(\d+) bytes stack frame"),
            number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
            number(r"(\d+) bytes smem"))
    return found


def measured(nvrtc: Compiler, architecture: str, sources: Iterable[str] = ()
             ) -> dict[str, Resources]:
    """Return the resources of every kernel of the field block, of `sources` only if given."""
    found: dict[str, Resources] = {}
    for (source, text, constants), names in asked_by_the_field_block().items():
        if sources and source not in sources:
            continue
        options = [*OPTIONS, *CUPY, f"-arch={architecture}", "--ptxas-options=-v", *constants]
        _, log = nvrtc.compile(pasted(source, text), source, options)
        found |= {name: needs for name, needs in parsed(log).items() if name in names}
    return found


def threads(source: str, name: str, registers: int) -> int:
    """Return the threads of a block at which `cuda` launches a kernel."""
    text = kernel_text(source)
    word, _ = loop(text, name, signature(text, name) or ())
    return WARP * min(most_warps(registers), BLOCK_ROWS if word == "EKM_BLOCK_ROWS" else ROWS)


def most_warps(registers: int) -> int:
    """Return the warps of an SM whose threads need so many registers."""
    of_warp = -(-registers * WARP // UNIT) * UNIT
    return min(WARPS, REGISTERS // of_warp // GROUP * GROUP)


def warps(registers: int, block: int) -> int:
    """Return the warps of an SM that registers allow, in whole blocks of `block` threads."""
    each = block // WARP
    return most_warps(registers) // each * each


def table(found: Mapping[str, Mapping[str, Resources]]) -> str:
    """Return the Markdown table; found: of every architecture the kernels' resources."""
    places = {name: source for source, *_ in asked_by_the_field_block()
              for name in kernel_names(kernel_text(source))}
    rows = [HEAD, ["---"] + ["---:"] * (len(HEAD) - 1)]
    for name in sorted(found[ARCHITECTURES[0]], key=lambda name: (places[name], name)):
        each = [found[architecture][name] for architecture in ARCHITECTURES]
        block = [threads(places[name], name, needs.registers) for needs in each]
        columns = [[needs.registers for needs in each], [needs.stack for needs in each],
                   [needs.spills for needs in each], [needs.shared for needs in each],
                   [warps(needs.registers, b) for needs, b in zip(each, block, strict=True)]]
        rows.append([f"`{name}`", joined(block), *map(joined, columns)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def joined(numbers: list[int]) -> str:
    """Return one number where all are the same, else all of them."""
    return str(numbers[0]) if len(set(numbers)) == 1 else " / ".join(map(str, numbers))


def recorded(page: str) -> tuple[str, dict[str, dict[str, Resources]]]:
    """Return (version of NVRTC, architecture -> kernel -> resources) of a page."""
    version = re.search(r"NVRTC (\d+\.\d+)", page)
    if not version or BEGIN not in page:
        raise ValueError(f"the page has no version of NVRTC, or no {BEGIN.strip()}")
    found: dict[str, dict[str, Resources]] = {name: {} for name in ARCHITECTURES}
    for line in page.partition(BEGIN)[2].partition(END)[0].splitlines()[2:]:
        name, _, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        numbers = [(list(map(int, cell.split(" / "))) * len(ARCHITECTURES))[:len(ARCHITECTURES)]
                   for cell in cells[:-1]]
        for architecture, needs in zip(ARCHITECTURES, zip(*numbers, strict=True), strict=True):
            found[architecture][name.strip("`")] = Resources(*needs)
    return version[1], found


def grown(now: Mapping[str, Resources], then: Mapping[str, Resources]) -> list[str]:
    """Return a line for every kernel that needs more than `then`, or is not there."""
    lines = []
    for name, needs in now.items():
        old = then.get(name)
        if old is None:
            lines.append(f"{name} is not in the table")
            continue
        lines += [f"{name}: {what} {getattr(old, what)} -> {getattr(needs, what)}"
                  for what in ("registers", "stack", "spills", "shared")
                  if getattr(needs, what) > getattr(old, what)]
    return lines


def main(arguments: list[str] | None = None, page: Path = PAGE) -> int:
    """Write, print or check the table; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 if a kernel has grown")
    parser.add_argument("--print", action="store_true", help="print the table, write nothing")
    options = parser.parse_args(arguments)
    nvrtc = compiler()
    if nvrtc is None:
        sys.exit("no NVRTC: pip install nvidia-cuda-nvrtc (part of ekm3d[dev] on Linux)")
    found = {architecture: measured(nvrtc, architecture) for architecture in ARCHITECTURES}
    if options.print:
        print(table(found), end="")
        return 0
    text = page.read_text(encoding="utf-8")
    if options.check:
        version, then = recorded(text)
        if version != nvrtc.version():
            sys.exit(f"the table is of NVRTC {version}, this is {nvrtc.version()}")
        lines = [f"{architecture} {line}" for architecture in ARCHITECTURES
                 for line in grown(found[architecture], then[architecture])]
        print("\n".join(lines) or f"{page}: no kernel has grown")
        return int(bool(lines))
    before, _, rest = text.partition(BEGIN)
    before = re.sub(r"NVRTC \d+\.\d+", f"NVRTC {nvrtc.version()}", before)
    page.write_text(before + BEGIN + table(found) + END + rest.partition(END)[2], encoding="utf-8")
    print(f"{page}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
