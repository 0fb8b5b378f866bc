"""Every verification case on its quick grids, and its description."""

import pytest
from helpers.verification_copy import CASES

from ekm3d.cli.verify import line
from ekm3d.verification.judge import verify
from ekm3d.verification.spec import Verification


@pytest.mark.parametrize("name", CASES)
def test_case_passes_on_its_quick_grids(name):
    """Errors and orders as verify.toml requires, each with its reason there."""
    (outcomes,) = verify([CASES[name]])
    assert outcomes
    missed = [line(o) for o in outcomes if not o.passed]
    assert not missed, "\n".join(missed)


@pytest.mark.parametrize("name", CASES)
def test_case_states_reasons_and_sources(name):
    """Every number has a reason, every case a README that names the source."""
    v = Verification.read(CASES[name])
    assert len(v.file.proves) > 20 and v.file.family
    assert all(len(compare.reason) > 30 for compare in v.file.compare)
    readme = (CASES[name] / "README.md").read_text()
    assert "Source" in readme and "Accuracy" in readme


def test_two_processes_give_the_same_errors():
    """The runs of a case in two processes, in the order that the table needs."""
    one, two = (next(verify([CASES["plates"]], jobs=jobs)) for jobs in (1, 2))
    assert [o.errors for o in one] == [o.errors for o in two]
