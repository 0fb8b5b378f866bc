"""Grid: cells, spacing, ghost layers and face stencils."""
