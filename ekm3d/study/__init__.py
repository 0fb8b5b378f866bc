"""Studies: many runs of one case with different values, in one table and one picture."""
