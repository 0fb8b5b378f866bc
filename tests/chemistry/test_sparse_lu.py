"""Sparse LU without pivoting against LAPACK."""

import numpy as np
import pytest

from ekm3d.chemistry import sparse_lu
from ekm3d.chemistry.sparse_lu import SparseLU


def test_sparse_lu_agrees_with_dense_solution(rng):
    """Random sparse systems with a strong diagonal against LAPACK, fill-in included."""
    pattern = (rng.random((9, 9)) < 0.25) | np.eye(9, dtype=bool)
    A = rng.normal(size=(9, 10, 20)) * np.column_stack([pattern, np.ones(9)])[:, :, None]
    A[np.arange(9), np.arange(9)] += 5
    dense = np.linalg.solve(A[:, :9].transpose(2, 0, 1), A[:, 9].T[..., None])[..., 0].T
    assert SparseLU(pattern).solve(A.copy()) == pytest.approx(dense, rel=1e-10)


def test_few_systems_have_the_bits_of_many(rng, monkeypatch):
    """Number by number as over whole arrays; also with skipped pivots and a pivot of zero."""
    pattern = (rng.random((12, 12)) < 0.25) | np.eye(12, dtype=bool)
    pattern[4:, 3] = False                          # nothing below pivot 3: it may be skipped
    pattern[3, :3] = False
    A = np.where(pattern[:, :, None], rng.normal(size=(12, 12, 3)), 0.0)
    A[np.arange(12), np.arange(12)] += 5
    A[7, 7, 1] = A[11, 11, 2] = 0.0
    A = np.concatenate([A, rng.normal(size=(12, 1, 3))], axis=1)
    with np.errstate(all="ignore"):
        few = [SparseLU(pattern).solve(A.copy(), skip) for skip in ((), {3})]
    monkeypatch.setattr(sparse_lu, "FEW", 0)
    with np.errstate(all="ignore"):
        many = [SparseLU(pattern).solve(A.copy(), skip) for skip in ((), {3})]
    for one, other in zip(few, many, strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_singular_system_is_no_error():
    """Division by zero gives infinities, as in NumPy: Newton's caller refuses such a step."""
    A = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])[:, :, None]
    with np.errstate(all="ignore"):
        assert not np.isfinite(SparseLU(np.ones((2, 2), bool)).solve(A)).all()
