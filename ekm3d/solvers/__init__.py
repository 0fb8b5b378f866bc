"""Conjugate gradients and multigrid for -div(a grad x) + b x = f."""
