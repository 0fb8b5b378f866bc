"""Sparse LU without pivoting against LAPACK."""

import numpy as np
import pytest

from ekm3d.chemistry.sparse_lu import SparseLU


def test_sparse_lu_agrees_with_dense_solution(rng):
    """Random sparse systems with a strong diagonal against LAPACK, fill-in included."""
    pattern = (rng.random((9, 9)) < 0.25) | np.eye(9, dtype=bool)
    A = rng.normal(size=(9, 10, 20)) * np.column_stack([pattern, np.ones(9)])[:, :, None]
    A[np.arange(9), np.arange(9)] += 5
    dense = np.linalg.solve(A[:, :9].transpose(2, 0, 1), A[:, 9].T[..., None])[..., 0].T
    assert SparseLU(pattern).solve(A.copy()) == pytest.approx(dense, rel=1e-10)
