"""`ekm3d check`: description of a case, expected memory and steps, and no file written."""

import pytest
from helpers.command_line import call, contents
from helpers.salt_block import salt_case

from ekm3d.backends.choose import choose_backend


@pytest.fixture
def case(tmp_path):
    return salt_case(tmp_path)


def test_check_prints_the_case_and_writes_nothing(capsys, case):
    """The case in SI units, expected steps and memory; every file as before, no new directory.

    20 V on 6 h at 600 s a step: 36 steps.
    """
    before = contents(case)
    code, text, errors = call(capsys, "check", case)
    assert code == 0 and errors == "" and contents(case) == before
    for part in ("6 x 3 x 4 = 72 of 0.1 x 0.15 x 0.2 m", "overpotential", "2e-08", "Na+ 2",
                 "expected: about 36 steps of 600 s", "GiB at the peak",
                 f"backend {choose_backend('auto').name}"):
        assert part in text, part
