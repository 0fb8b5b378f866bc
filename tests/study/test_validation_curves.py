"""Curves of a validation: columns of finished runs against the hours since each one's wetting."""

from ekm3d.study.points import Point
from ekm3d.study.runs import Outcome
from ekm3d.study.validation_page import curves

TOML = """
[[panel]]
title = "current"
column = "current"
sign = -1
from = 2
begins = { dry = 3 }
runs = { wet = "wet", dry = "dry", failed = "failed" }
points = [[1, 20, "wet"]]
"""


def test_every_run_begins_where_its_wetting_ends(tmp_path):
    """Hours 0 to 4: from hour 2 of one, 3 of the other run; one that failed has none."""
    outcomes = {}
    for run in ("wet", "dry", "failed"):
        folder = tmp_path / run
        folder.mkdir()
        (folder / "fields.vtkhdf").touch()
        (folder / "series.csv").write_text("time[h],current[A]\n" + "".join(
            f"{hour},{-10 * hour}\n" for hour in range(5)), encoding="utf-8")
        outcomes[run] = [Outcome(Point((), 0), folder, {} if run == "failed" else {"time_s": 1.0})]
    file = tmp_path / "curves.toml"
    file.write_text(TOML, encoding="utf-8")
    panel, = curves(file, outcomes)
    found = {label: [list(values) for values in curve] for label, curve in panel.curves.items()}
    assert found == {"wet": [[0, 1, 2], [20, 30, 40]], "dry": [[0, 1], [30, 40]]}
    assert panel.points == [[1, 20, "wet"]] and curves(tmp_path / "none.toml", outcomes) == []
