"""Verification cases on their quick grids, some of every family, and the descriptions of all."""

import pytest
from helpers.verification_copy import CASES, with_studies

from ekm3d.cli.verify import line
from ekm3d.verification.judge import verify
from ekm3d.verification.spec import Verification

# Of the fronts of electrolysis that with steps of second order.
SOME_STUDIES = {"e_electrolysis_fronts": ("splitting, second order",)}
# One or two cases of each family, those that take least, and all that take a second; `ekm3d verify`
# and the slow suite run all of them. What the others prove, tests/physics, tests/chemistry and
# tests/model do by hand, by twins and by conservation laws.
SLOW = {*SOME_STUDIES, "a_exchange_column", "dual_porosity", "dispersion_tensor",
        "acid_front", "b_batch_equilibria", "slow_dissolution",
        "c1_counter_diffusion", "c4_junction_potential", "coupled",
        "c2a_constant_voltage", "c2b_constant_current", "clay_conduction",
        "h1_gardner_infiltration", "h2_gardner_electroosmosis", "h4_drainage",
        "h5_clay_dewatering", "h7_drain", "g_consolidation", "immobile_field", "rods"}


def passing_outcomes(directory):
    """Outcomes of a case on its quick grids, all of which have to pass."""
    (outcomes,) = verify([directory])
    assert outcomes
    missed = [line(o) for o in outcomes if not o.passed]
    assert not missed, "\n".join(missed)
    return outcomes


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CASES])
def test_case_passes_on_its_quick_grids(name, quick_kernels):
    """Errors and orders as verify.toml requires, each with its reason there."""
    passing_outcomes(CASES[name])


@pytest.mark.parametrize("name", SOME_STUDIES)
def test_some_studies_of_a_case_pass(name, tmp_path, quick_kernels):
    """Studies of a case that proves the same of many solutions; all are in the slow suite."""
    studies = SOME_STUDIES[name]
    assert len(passing_outcomes(with_studies(name, tmp_path, studies))) >= len(studies)


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
    one, two = (next(verify([CASES["plates"]], backend="numpy", jobs=jobs)) for jobs in (1, 2))
    assert [o.errors for o in one] == [o.errors for o in two]
