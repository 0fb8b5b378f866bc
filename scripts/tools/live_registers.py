"""Registers that a kernel's PTX keeps alive at a time: the least that a thread has to hold.

    python scripts/tools/live_registers.py [KERNEL ...]

Of the kernels that the field block binds, in the order of instructions that NVRTC chose: what a
later instruction reads, on any way that leads there, has to be somewhere. ptxas may choose another
order, but keeps what does not fit into registers in the stack: where the peak is above registers
and stack together, they cannot both be small. Numbers of 64 bits count two.
"""

import argparse
import re
import sys
from dataclasses import dataclass

from kernel_resources import CUPY, asked_by_the_field_block
from nvrtc import Compiler, compiler

from ekm3d.backends.cuda import OPTIONS
from ekm3d.backends.kernel_signature import pasted

WORDS = {"pred": 0, "b16": 1, "b32": 1, "f32": 1, "b64": 2, "f64": 2}
WITHOUT_RESULT = ("st.", "bra", "ret", "bar")
LEFT_OUT = (".reg", ".local", ".loc", ".pragma", ".param")


@dataclass(frozen=True)
class Live:
    """Words of 32 bits alive after the statements of a kernel: peak, median and share above 256."""

    statements: int
    peak: int
    median: int
    above: float


def statements(body: str) -> list[str]:
    """Return labels and instructions of a kernel's PTX in order; vectors {a, b} become <a, b>."""
    body = re.sub(r"//[^\n]*", "", body)
    body = re.sub(r"\{\s*(%[%\w$, ]*?)\s*\}", r"<\1>", body)
    found = [" ".join(s.split()) for s in re.findall(r"[^;{}:]+:|[^;{}]+;", body)]
    return [s for s in found if not s.startswith(LEFT_OUT)]


def flow(code: list[str]) -> list[tuple[set[str], set[str], list[int]]]:
    """Return (registers read, registers set, next statements) of every statement."""
    labels = {s[:-1]: n for n, s in enumerate(code) if s.endswith(":")}
    found: list[tuple[set[str], set[str], list[int]]] = []
    for n, s in enumerate(code):
        guard = re.match(r"@!?(%\w+) (.*)", s)
        core = guard[2] if guard else s
        word, _, arguments = core.partition(" ")
        target = ""
        if not s.endswith(":") and not word.startswith(WITHOUT_RESULT):
            target = arguments.partition(">" if arguments.startswith("<") else ",")[0]
        made = set(re.findall(r"%[a-z]+\d+", target))
        read = set(re.findall(r"%[a-z]+\d+", arguments[len(target):]))
        after = [n + 1] if guard or not word.startswith(("bra", "ret")) else []
        if word.startswith("bra"):
            after.append(labels[arguments.rstrip(";").split()[-1]])
        if guard:                       # what is not set keeps its value
            read, made = read | made | {guard[1]}, set()
        found.append((read, made, [m for m in after if m < len(code)]))
    return found


def live(ptx: str, kernel: str) -> Live:
    """Return the registers alive in a kernel of a PTX text."""
    begin = re.search(rf"\.entry {kernel}\s*\(", ptx)
    if begin is None:
        raise ValueError(f"no kernel {kernel} in this PTX")
    body = ptx[begin.end():].partition(".entry")[0]
    size = {name: WORDS[kind] for kind, name in re.findall(r"\.reg \.(\w+)\s+(%[a-z]+)<", body)}
    code = flow(statements(body.partition("{")[2]))
    alive: list[set[str]] = [set() for _ in code]
    changed = True
    while changed:
        changed = False
        for n in reversed(range(len(code))):
            read, made, after = code[n]
            now = read.union(*(alive[m] - made for m in after))
            changed |= now != alive[n]
            alive[n] = now
    words = sorted(sum(size[name.rstrip("0123456789")] for name in some) for some in alive)
    return Live(len(words), words[-1], words[len(words) // 2],
                sum(w > 256 for w in words) / len(words))


def of_the_field_block(nvrtc: Compiler, kernels: list[str]) -> dict[str, Live]:
    """Return the registers alive in kernels of the field block, for compute capability 9.0."""
    found = {}
    for (source, text, constants), names in asked_by_the_field_block().items():
        for name in sorted(set(names) & set(kernels)):
            ptx, _ = nvrtc.compile(pasted(source, text), source, [
                *OPTIONS, *CUPY, "-arch=compute_90", *constants], "PTX")
            found[name] = live(ptx.rstrip(b"\0").decode(), name)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print a line for every kernel that is named, newton without any."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kernels", nargs="*", default=["newton"])
    nvrtc = compiler()
    if nvrtc is None:
        sys.exit("no NVRTC: pip install nvidia-cuda-nvrtc (part of ekm3d[dev] on Linux)")
    for name, of in of_the_field_block(nvrtc, parser.parse_args(arguments).kernels).items():
        print(f"{name}: {of.peak} registers of 32 bits alive at the most, {of.median} in the middle"
              f" of {of.statements} statements; more than 256 in {100 * of.above:.0f} % of them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
