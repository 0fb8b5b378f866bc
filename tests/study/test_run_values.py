"""Budget of a run in words: what a claim needs beside what charge and anions could carry."""

from ekm3d.study.run_values import Budget
from ekm3d.study.validation import in_words


def test_a_claim_beyond_charge_and_anions_is_forbidden():
    """0.9 of 1 eq needs 0.9; 0.1 eq of charge and 0.5 eq of anions carry 0.6 at most."""
    budget = Budget(charge=0.1, anions=0.5, held=1.0, others=0.2, moved=0.3, water=5.0)
    assert in_words(budget, 0.9).endswith("forbidden by charge and anions")
    assert "needs 0.9 eq" in in_words(budget, 0.9) and "= 0.6 eq" in in_words(budget, 0.9)
    assert in_words(budget, 0.2).endswith("allow it")
    assert "only if little else moves" in in_words(budget, 0.5)
