"""Floating-point operations of the kernels per voxel, and what bounds them: kernels/traffic.md.

    python scripts/tools/kernel_flops.py            count, and write the table (minutes)

Counted, not estimated: the second step of a small field block runs on the PTX that NVRTC makes of
the kernels (tests/helpers/ptx_modules.py), every instruction on float64 or float32 adds its
operations, a fused product two, a division or a root one. Voxels of electrodes and threads that
only take part in a sum count with the others. Needs NVRTC and a C++ compiler, no GPU.
"""

import sys
from pathlib import Path

import kernel_traffic
from kernel_resources import small_field_block

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- begin: flops -->\n", "<!-- end: flops -->"
SPACING = "grid.spacing=25 cm"
# Data sheets: operations/s on float64 and on float32, outside of tensor cores; bytes/s
PEAKS = {"A100 80 GB": (9.7e12, 19.5e12, 2.0e12), "H200": (33.5e12, 67e12, 4.8e12)}
SHOWN = "H200"


def counted() -> dict[str, tuple[float, float]]:
    """Return {kernel: (float64, float32)} operations per voxel of its grid, of a step's calls."""
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers.ptx_modules import OnPtx

    from ekm3d.backends.cuda import CudaBackend

    module = OnPtx(count=True)
    sim = small_field_block(CudaBackend("a count of operations", module), SPACING)
    sim.step()
    module.flops.clear()
    sim.step()
    return {name: (double / voxels, single / voxels)
            for name, (double, single, voxels, _) in module.flops.items()}


def table(flops: dict[str, tuple[float, float]], moved: dict[str, tuple[float, float]]) -> str:
    """Return the Markdown table; moved: bytes read and written per voxel of every kernel."""
    double_peak, single_peak, bandwidth = PEAKS[SHOWN]
    rows = ["| kernel | float64 | float32 | per byte | ps by operations | ps by bytes | bound by |",
            "| --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    for name, (double, single) in sorted(flops.items()):
        size = sum(moved.get(name, (0.0, 0.0)))
        if not size:                    # of lists of sums, and of the levels in one block
            continue
        computing = 1e12 * (double / double_peak + single / single_peak)
        moving = 1e12 * size / bandwidth
        bound = "operations" if computing > moving else "bytes"
        rows.append(f"| `{name}` | {double:.0f} | {single:.0f} | {(double + single) / size:.2g} | "
                    f"{computing:.3g} | {moving:.3g} | {bound} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write the table; return the exit code."""
    page = kernel_traffic.PAGE
    moved = kernel_traffic.traffic_of_all(kernel_traffic.counted())
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(before + BEGIN + table(counted(), moved) + END + rest.partition(END)[2],
                    encoding="utf-8")
    print(f"{page}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
