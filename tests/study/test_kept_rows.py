"""Rows of a validation that are taken from an earlier table, in place of runs."""

import math

import pytest

from ekm3d.errors import InputError
from ekm3d.study.kept_rows import MARK, KeptRows
from ekm3d.study.validation import Comparison

TABLE = """id,experiment,quantity,paper,unit,number,sd,fit,mean,spread,sets,status,error,missed,\
budget,remark,where
F1,field,current,1,A,0.5,0.05,0.6,0.61,0.02,7,predicted,0.2,True,a budget,at the end,here
F2,field,energy,1,kWh,,,7,7,,1,derived,,False,,,there
"""


def comparison(fact="F1", quantity="field_wet.current_end_A", status="predicted", number=0.5,
               remark="at the end"):
    return Comparison({"id": fact}, status, quantity, None, number, 0.04, None, remark)


@pytest.fixture
def kept(tmp_path):
    (tmp_path / "validation.csv").write_text(TABLE, encoding="utf-8")
    return KeptRows(tmp_path / "validation.csv", ["field*"], ["bench", "field", "field_wet"])


def test_a_row_has_the_numbers_of_the_table_and_says_so(kept):
    """Fit, mean, spread, count and budget; the error is against the number as it is now."""
    row = kept.row(comparison())
    assert (row.fit, row.mean, row.spread, len(row.values)) == (0.6, 0.61, 0.02, 7)
    assert row.error == pytest.approx(0.2) and row.missed and row.budget == "a budget"
    assert row.comparison.remark == f"at the end; {MARK}"
    alone = kept.row(comparison("F2", "field.energy_kWh", "derived", math.nan, ""))
    assert alone.fit == 7 and math.isnan(alone.spread) and alone.comparison.remark == MARK


def test_a_row_that_was_kept_before_is_found_again(tmp_path):
    """The table of the last time has the mark in its remarks."""
    file = tmp_path / "validation.csv"
    file.write_text(TABLE.replace("at the end", f"at the end; {MARK}"), encoding="utf-8")
    row = KeptRows(file, ["field*"], ["field_wet"]).row(comparison())
    assert row.fit == 0.6 and row.comparison.remark == f"at the end; {MARK}"


def test_rows_of_runs_that_are_made_are_not_kept(kept):
    assert kept.runs == ["field", "field_wet"]
    assert kept.row(comparison(quantity="bench.current_end_A")) is None


def test_what_the_table_does_not_hold_is_told(kept, tmp_path):
    """A formula or a number that is new, a run that is none, a table that is missing."""
    with pytest.raises(InputError, match="no row F1 .at the start.; make its runs"):
        kept.row(comparison(remark="at the start"))
    with pytest.raises(InputError, match="there is no run 'feld'; did you mean 'field'"):
        KeptRows(tmp_path / "validation.csv", ["feld"], ["field"])
    with pytest.raises(InputError, match="table before cannot be read"):
        KeptRows(tmp_path / "none.csv", ["field"], ["field"])
