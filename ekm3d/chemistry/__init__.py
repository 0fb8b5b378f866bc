"""Chemical equilibrium of one voxel, and of many at once."""
