// Geometry of the faces between voxels.

// Spacing along axis 0, 1, 2 = z, y, x  [m], and distance in memory.
INLINE real spacing(const Grid& g, int axis) { return axis == 0 ? g.dz : axis == 1 ? g.dy : g.dx; }
INLINE Offset stride(const Grid& g, int axis)
{
    return axis == 0 ? layer(g) : axis == 1 ? row(g) : Offset(1);
}

// Twice the area of a face over the step across it: A/(h/2)                               [m]
INLINE real shape(const Grid& g, int axis)
{
    const real h = spacing(g, axis);
    return 2 * real(g.dx) * real(g.dy) * real(g.dz) / h / h;
}

// Conductance of two half voxels in series.
INLINE real series(real a, real b, real shape)
{
    return a + b > 0 ? shape * (a * b) / (a + b) : real(0);
}
