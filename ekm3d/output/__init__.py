"""Results of a run: the run's directory, VTKHDF, series, provenance, and reading them back."""
