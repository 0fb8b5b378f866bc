"""Results: fields, series, summary and status read back, and refusals."""

import numpy as np
import pytest
from helpers.vtkhdf_block import GRID, ORE, TIMES, block, static, stored, written

from ekm3d.output.results import ResultsError, open_results


@pytest.fixture
def path(tmp_path):
    """A file with three snapshots."""
    return written(tmp_path).path


def test_results_read_fields_back(path):
    results = open_results(path.parent)
    assert list(results.times) == list(TIMES)
    assert results.grid == GRID
    assert results.fields["c_Ca+2"] == "mol/m3" and results.fields["ore"] == "1"
    for n in (0, 1, 2):
        for name, array in block(n).items():
            assert np.array_equal(results.field(name, n), stored(array))
        assert np.array_equal(results.field("ore", n), static()[ORE])
    assert np.array_equal(results.field("phi"), stored(block(2)["phi"]))
    assert "3 snapshots" in repr(results)


def test_results_read_series_summary_and_status(path):
    """Units leave the header for `units`; an empty cell is NaN; a line cut short is left out."""
    (path.parent / "series.csv").write_text(
        "time[h],current row 1 [A],recovery_REE[1],pH\n0,1.5,0,\n1,1.25,0.01,4.5\n2,1.2")
    (path.parent / "summary.json").write_text('{"time_h": 264, "recovery_REE": 0.5}')
    (path.parent / "status.json").write_text('{"state": "finished"}')
    results = open_results(path.parent)
    assert results.units == {"time": "h", "current row 1": "A", "recovery_REE": "1", "pH": ""}
    assert list(results.series["time"]) == [0, 1]
    assert list(results.series["current row 1"]) == [1.5, 1.25]
    assert np.isnan(results.series["pH"][0]) and results.series["pH"][1] == 4.5
    assert results.summary == {"time_h": 264, "recovery_REE": 0.5}
    assert results.status["state"] == "finished"


@pytest.mark.parametrize("ask, message", [
    (lambda r: r.field("Phi"), "no field 'Phi'; did you mean 'phi'"),
    (lambda r: r.field("zzzz"), "no field 'zzzz'; there are c_Ca"),
    (lambda r: r.field("phi", 3), "no snapshot 3; there are 3"),
    (lambda r: r.field("phi", -4), "no snapshot -4; there are 3"),
    (lambda r: r.summary, "summary.json does not exist: the run has not come that far"),
    (lambda r: r.series, "series.csv does not exist or is empty"),
])
def test_missing_entries_are_refused_by_name(path, ask, message):
    with pytest.raises(ResultsError, match=message):
        ask(open_results(path.parent))


def test_a_damaged_summary_or_series_is_named(path):
    (path.parent / "summary.json").write_text("{")
    (path.parent / "series.csv").write_text("time[h]\nsoon\n")
    with pytest.raises(ResultsError, match="summary.json is not JSON"):
        _ = open_results(path.parent).summary
    with pytest.raises(ResultsError, match="column 'time': could not convert.*'soon'"):
        _ = open_results(path.parent).series


def test_a_directory_without_results_is_refused_with_a_hint(path, tmp_path):
    """Nothing there; nothing run yet; or the case directory was meant by its out/."""
    with pytest.raises(ResultsError, match="no such directory"):
        open_results(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultsError, match="run `ekm3d run CASE` first"):
        open_results(tmp_path / "empty")
    (tmp_path / "case" / "out").mkdir(parents=True)
    path.rename(tmp_path / "case" / "out" / "fields.vtkhdf")
    with pytest.raises(ResultsError, match="did you mean .*case/out"):
        open_results(tmp_path / "case")
