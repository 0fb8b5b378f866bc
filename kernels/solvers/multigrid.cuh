// The 7-point operator of one level of multigrid at a voxel, and the smoother's steps there.
//
//     (A x)_i = coupling_i x_i + sum over six neighbours of face_ij (x_i - x_j)
//
// face (3, voxels): conductances, axis 0, 1, 2 = z, y, x, stored with the voxel below the face;
// inverse_diagonal: 1 / diagonal of A, zero in inactive voxels. Differences are taken first, so
// that rounding never couples a constant to anything: the operator in single precision is still
// that of a medium, each of its conductances wrong by a few 1e-8. All ghosts are zero, and the
// last children of a coarse voxel may be ghosts.

// FIRST and SECOND, weights of the smoother's steps, and the steps of a cycle, FROM_ZERO, ..., come
// with the generated header.

// Coarsening ratio along one axis: 2 or 1.
INLINE int coarsening_ratio(int fine, int coarse) { return fine > coarse ? 2 : 1; }

// Coefficients of the operator of one grid, and strides to neighbours along y and z.
struct Stencil {
    const single *z, *y, *x, *coupling, *inverse_diagonal;
    Offset row, layer;
};

INLINE Stencil stencil(const Grid& g, const single* face, const single* coupling,
                       const single* inverse_diagonal)
{
    const Offset all = volume(g);
    return {face, face + all, face + 2 * all, coupling, inverse_diagonal, row(g), layer(g)};
}

// x at one voxel, and strides to its neighbours along y and in the layers below and above.
struct Around {
    const single* here;
    Offset row, lower, upper;
};

INLINE Around around(const Stencil& m, const single* x, Offset a)
{
    return {x + a, m.row, -m.layer, m.layer};
}

INLINE Around along_row(const Around& x, int l) { return {x.here + l, x.row, x.lower, x.upper}; }

// (b - A x) at voxel a
INLINE single residual_at(const Stencil& m, const single* b, const Around& x, Offset a)
{
    const single own = x.here[0];
    return b[a] - m.coupling[a] * own
         + m.x[a] * (x.here[1] - own) + m.x[a - 1] * (x.here[-1] - own)
         + m.y[a] * (x.here[x.row] - own) + m.y[a - m.row] * (x.here[-x.row] - own)
         + m.z[a] * (x.here[x.upper] - own) + m.z[a - m.layer] * (x.here[x.lower] - own);
}

// x after one smoothing step at voxel a. On the host multiplied by 0 or 1: of a choice compilers
// make reads under masks, and gathers.
INLINE single smoothed(const Stencil& m, const single* b, const Around& x, single weight, Offset a)
{
    const single d = m.inverse_diagonal[a];
    if constexpr (LANES == 1)
        return d > 0 ? x.here[0] + weight * d * residual_at(m, b, x, a) : single(0);
    const single active = d > 0 ? single(1) : single(0);
    return active * (x.here[0] + weight * d * residual_at(m, b, x, a));
}

// x at voxel a after both smoothing steps from x = 0
INLINE single smoothed_from_zero(const Stencil& m, const single* b, Offset a)
{
    const Offset row = m.row, layer = m.layer;
    const single* d = m.inverse_diagonal;
    const single own = d[a] * b[a];
    const single sum = m.x[a] * (d[a + 1] * b[a + 1] - own)
        + m.x[a - 1] * (d[a - 1] * b[a - 1] - own)
        + m.y[a] * (d[a + row] * b[a + row] - own)
        + m.y[a - row] * (d[a - row] * b[a - row] - own)
        + m.z[a] * (d[a + layer] * b[a + layer] - own)
        + m.z[a - layer] * (d[a - layer] * b[a - layer] - own);
    return FIRST * own + SECOND * d[a] * (b[a] + FIRST * (sum - m.coupling[a] * own));
}
