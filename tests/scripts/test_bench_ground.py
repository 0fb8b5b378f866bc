"""Benchmark of unsaturated ground beside its saturated twin: it runs, and prints ratios."""

import re
import sys

from helpers.case_files import ROOT
from helpers.quick_flags import quick_backend


def test_both_step_in_turns_and_the_ratio_is_told(monkeypatch, capsys):
    """A sketch of 2 m: a line for each pair of steps, then the median."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts" / "benchmarks"))
    import bench_ground
    monkeypatch.setattr(sys, "argv", ["bench_ground.py", "--spacing", "2 m", "--steps", "2",
                                      "--skip", "1", "--backend", quick_backend().name])
    bench_ground.main()
    head, names, *lines, last = capsys.readouterr().out.splitlines()
    assert head.startswith("1,200 voxels") and len(lines) == 2 and "ratio" in names
    hours = [float(line.split()[0]) for line in lines]
    assert 0 < hours[0] < hours[1]
    assert float(re.search(r"median of the steps ([\d.]+)", last)[1]) > 0
