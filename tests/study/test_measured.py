"""Quantities of targets: formulas of the summary at the end, of the series at a time."""

import pytest

from ekm3d.study.measured import _refuse_unknown

END, COLUMNS = ["charge_C", "recovery_REE"], ["time", "charge", "REE_in_leachate"]
COLUMN = "a column of series.csv, which needs a time"


@pytest.mark.parametrize("quantity, said", [
    ("REE_in_leachate", f"'REE_in_leachate' is {COLUMN}"),
    ("2*recovery_REEE", "'recovery_REEE' is not known; did you mean 'recovery_REE'?"),
    ("REE_in_leachat", f"did you mean 'REE_in_leachate'? It is {COLUMN}."),
    ("charge_C/zzz", "'zzz' is not known")])
def test_an_unknown_name_is_told_with_the_table_that_has_it(quantity, said):
    with pytest.raises(ValueError) as caught:
        _refuse_unknown(quantity, END, COLUMNS, COLUMN)
    assert str(caught.value).endswith(said)


def test_numbers_and_functions_are_no_names():
    _refuse_unknown("1e-3*exp(charge_C) + .5e2*log(recovery_REE)", END, COLUMNS, COLUMN)
