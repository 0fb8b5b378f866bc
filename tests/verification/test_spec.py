"""verify.toml: its checks."""

import pytest
from helpers.verification_copy import plates_copy, spoil

from ekm3d.case.problems import CaseError
from ekm3d.verification.spec import Verification


@pytest.mark.parametrize("old, new, says", [
    ('{ formula = "10/(2 + 4 + 0.45/(0.05*0.02))" }', "{ factor = 2.0 }", "hold one of file"),
    ('study = "current"', 'study = "amps"', "no study 'amps'"),
    ('{ formula = "10/(2 + 4 + 0.45/(0.05*0.02))" }', '{ file = "no.csv" }', "there is no file"),
    ("error = 1e-8", "error = { quick = 1e-8 }", "one value for all sets"),
])
def test_verify_toml_is_checked(tmp_path, old, new, says):
    copy = plates_copy(tmp_path)
    spoil(copy, old, new)
    with pytest.raises(CaseError, match=says):
        Verification.read(copy)
