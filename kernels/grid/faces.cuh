// Geometry of the faces between voxels, and loops over faces.

// Spacing along axis 0, 1, 2 = z, y, x  [m], and stride in memory.
INLINE real spacing(const Grid& g, int axis)
{
    return real(axis == 0 ? g.dz : axis == 1 ? g.dy : g.dx);
}
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

// Conductance of two half voxels in series, from their conductivities.
INLINE real series(real a, real b, real shape)
{
    return a + b > 0 ? shape * (a * b) / (a + b) : real(0);
}

// Row of faces of one axis, side by side along x; a single face on the GPU.
struct FaceRow {
    int axis, i, j, k, n;                   // n faces, the first above voxel (i, j, k)
    Tile tile;                              // voxels that own the tile's faces of this axis
    Offset first, step, side;               // that voxel; stride along axis; axis in (3, padded)
};

INLINE FaceRow face_row(const Tile& t, const Grid& g, int axis)
{
    const Tile b = with_border(t, axis);
    return {axis, b.i, b.j, b.k, LANES > 1 ? b.ni : 1, b, at(b.i, b.j, b.k, g), stride(g, axis),
            axis * volume(g)};
}

INLINE void to_next(FaceRow& f, const Tile& t, const Grid& g)
{
    f.i += f.n;
    if (f.i == f.tile.i + f.tile.ni)
        f.i = f.tile.i, f.j++;
    if (f.j == f.tile.j + f.tile.nj)
        f.j = f.tile.j, f.k++;
    if (f.k < f.tile.k + f.tile.nk)
        f.first = at(f.i, f.j, f.k, g);
    else if (++f.axis < 3)
        f = face_row(t, g, f.axis);
}

// The lowest layer of a tile.
INLINE Tile bottom(const Tile& t) { return {t.i, t.j, t.k, t.ni, t.nj, 1}; }

// Loop over all rows of faces, tile by tile, the lower side of the box included.
#define EKM_FACE_ROWS(f, g)                                                     \
    EKM_TILES(t_, g)                                                            \
        for (FaceRow f = face_row(t_, g, 0); f.axis < 3; to_next(f, t_, g))

// The same, layer by layer of a tile: for many arrays, of which the second cache keeps a layer.
#define EKM_LAYER_ROWS(f, g)                                                    \
    EKM_TILES(t_, g)                                                            \
        for (Tile l_ = bottom(t_); l_.k < t_.k + t_.nk; l_.k++)                 \
            for (FaceRow f = face_row(l_, g, 0); f.axis < 3; to_next(f, l_, g))
