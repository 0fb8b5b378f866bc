// Multigrid cycle in single precision for the 7-point operator A of multigrid.cuh.
// Twin of ekm3d/solvers/multigrid.py.
// needs parallel/segments.cuh
// needs solvers/multigrid.cuh

// ---- one row of voxels --------------------------------------------------------------------

// Both smoothing steps from x = 0, at once
INLINE void smooth_row_from_zero(const Grid& g, const Stencil& m, const single* b, single* x,
                                 int j, int k)
{
    const Offset start = at(0, j, k, g);
    EKM_ALONG(i, g.nx) x[start + i] = smoothed_from_zero(m, b, start + i);
}

INLINE void smooth_row(const Grid& g, const Stencil& m, const single* b, const single* x,
                       single weight, single* y, int j, int k)
{
    const Offset start = at(0, j, k, g);
    EKM_ALONG(i, g.nx) {
        const Offset a = start + i;
        y[a] = smoothed(m, b, around(m, x, a), weight, a);
    }
}

INLINE single left_at(const Stencil& m, const single* b, const single* x, Offset a)
{
    return residual_at(m, b, around(m, x, a), a);
}

// j, k: a row of coarse voxels
INLINE void restrict_row(const Grid& g, const Grid& coarse, const Stencil& m, const single* b,
                         const single* x, single* coarse_b, int j, int k)
{
    const Offset to = at(0, j, k, coarse);
    const int ry = coarsening_ratio(g.ny, coarse.ny), rz = coarsening_ratio(g.nz, coarse.nz);
    EKM_ALONG(i, coarse.nx) coarse_b[to + i] = 0;
    for (int child = 0; child < ry * rz; child++) {
        const Offset from = at(0, ry * j + child % ry, rz * k + child / ry, g);
        if (g.nx > coarse.nx) {
            EKM_ALONG(i, coarse.nx)
                coarse_b[to + i] += left_at(m, b, x, from + 2 * i)
                                  + left_at(m, b, x, from + 2 * i + 1);
        } else {
            EKM_ALONG(i, coarse.nx) coarse_b[to + i] += left_at(m, b, x, from + i);
        }
    }
}

// j, k: a row of fine voxels
INLINE void prolong_row(const Grid& g, const Grid& coarse, const single* coarse_x, single* x,
                        int j, int k)
{
    const int ry = coarsening_ratio(g.ny, coarse.ny), rz = coarsening_ratio(g.nz, coarse.nz);
    const Offset from = at(0, j / ry, k / rz, coarse);
    const Offset to = at(0, j, k, g);
    if (g.nx > coarse.nx) {
        EKM_ALONG(i, g.nx / 2) {
            x[to + 2 * i] += coarse_x[from + i];
            x[to + 2 * i + 1] += coarse_x[from + i];
        }
        if (g.nx % 2) EKM_ALONG(i, 1) x[to + g.nx - 1] += coarse_x[from + coarse.nx - 1];
    } else {
        EKM_ALONG(i, g.nx) x[to + i] += coarse_x[from + i];
    }
}

// ---- a level, all of its rows ----------------------------------------------------------------

// x = both smoothing steps for A x = b from x = 0
KERNEL smooth_from_zero(Grid g, const single* __restrict__ EACH(3) face,
                        const single* __restrict__ coupling,
                        const single* __restrict__ inverse_diagonal,
                        const single* __restrict__ b, single* __restrict__ x)
{
    EKM_ROWS(j, k, g)
        smooth_row_from_zero(g, stencil(g, face, coupling, inverse_diagonal), b, x, j, k);
}

// y = x + weight D^-1 (b - A x), 0 in inactive voxels
KERNEL smooth(Grid g, const single* __restrict__ EACH(3) face, const single* __restrict__ coupling,
              const single* __restrict__ inverse_diagonal, const single* __restrict__ b,
              const single* __restrict__ x, single weight, single* __restrict__ y)
{
    EKM_ROWS(j, k, g)
        smooth_row(g, stencil(g, face, coupling, inverse_diagonal), b, x, weight, y, j, k);
}

// y as of smooth; sums over every segment of b y, in double precision
KERNEL smooth_and_sum(Grid g, const single* __restrict__ EACH(3) face,
                      const single* __restrict__ coupling,
                      const single* __restrict__ inverse_diagonal, const single* __restrict__ b,
                      const single* __restrict__ x, single weight, single* __restrict__ y,
                      real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Stencil m = stencil(g, face, coupling, inverse_diagonal);
        const Offset start = at(0, j, k, g);
        EKM_SEGMENTS(s, g) {
            Segment product;
            EKM_SEGMENT(l, s, g) {
                const Offset a = start + s * SEGMENT + l;
                const single new_x = smoothed(m, b, around(m, x, a), weight, a);
                y[a] = new_x;
                product[l] = real(b[a]) * real(new_x);
            }
            put_sums(product, sums, s, j, k, g);
        }
    }
}

// Restriction: coarse_b = sum of b - A x over the children
KERNEL restrict_residual(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
                         const single* __restrict__ coupling, const single* __restrict__ b,
                         const single* __restrict__ x, single* __restrict__ ON(coarse) coarse_b)
{
    EKM_ROWS(j, k, coarse)
        restrict_row(g, coarse, stencil(g, face, coupling, coupling), b, x, coarse_b, j, k);
}

// Prolongation: x += coarse_x of the parent
KERNEL prolong(Grid g, Grid coarse, const single* __restrict__ ON(coarse) coarse_x,
               single* __restrict__ x)
{
    EKM_ROWS(j, k, g) prolong_row(g, coarse, coarse_x, x, j, k);
}

// ---- small levels, all in one launch of one block ---------------------------------------------

// A level within the store: face (3), coupling, inverse_diagonal, b, x, y one after another.
struct Level {
    Grid g;
    Stencil m;
    single *b, *x, *y;
};

INLINE Level level_of(const Offset* table, int n, int ghost, single* store)
{
    const Offset* t = table + 4 * n;
    const Grid g = {int(t[0]), int(t[1]), int(t[2]), ghost, 1, 0, 0, 0};
    const Offset all = volume(g);
    single* a = store + t[3];
    return {g, stencil(g, a, a + 3 * all, a + 4 * all), a + 5 * all, a + 6 * all, a + 7 * all};
}

// Pairs (step, level) in turn: FROM_ZERO, SMOOTH, RESTRICT, PROLONG, or SOLVE: x = b / D.
KERNEL small_cycle(Grid g, const Offset* __restrict__ LIST(entries) table,
                   const int* __restrict__ LIST(count) steps, int entries, int count, Offset size,
                   single* __restrict__ LIST(size) store)
{
    for (int n = 0; n < count; n += 2) {
        const int step = steps[n];
        const Level l = level_of(table, steps[n + 1], g.ghost, store);
        if (step == FROM_ZERO) {
            EKM_BLOCK_ROWS(j, k, l.g) smooth_row_from_zero(l.g, l.m, l.b, l.x, j, k);
        } else if (step == SMOOTH) {
            EKM_BLOCK_ROWS(j, k, l.g) smooth_row(l.g, l.m, l.b, l.x, FIRST, l.y, j, k);
            BLOCK_WAIT();
            EKM_BLOCK_ROWS(j, k, l.g) smooth_row(l.g, l.m, l.b, l.y, SECOND, l.x, j, k);
        } else if (step == SOLVE) {
            EKM_BLOCK_ROWS(j, k, l.g) {
                const Offset start = at(0, j, k, l.g);
                const single* d = l.m.inverse_diagonal;
                EKM_ALONG(i, l.g.nx) l.x[start + i] = d[start + i] * l.b[start + i];
            }
        } else {
            const Level c = level_of(table, steps[n + 1] + 1, g.ghost, store);
            if (step == RESTRICT) {
                EKM_BLOCK_ROWS(j, k, c.g) restrict_row(l.g, c.g, l.m, l.b, l.x, c.b, j, k);
            } else {
                EKM_BLOCK_ROWS(j, k, l.g) prolong_row(l.g, c.g, c.x, l.x, j, k);
            }
        }
        BLOCK_WAIT();
    }
}

// ---- set-up ------------------------------------------------------------------------------

// Diagonal of A at voxel a
INLINE real diagonal_at(const Grid& g, const real* face, const real* b, Offset a)
{
    const Offset y = a + volume(g), x = y + volume(g);
    return face[x] + face[x - 1] + face[y] + face[y - row(g)] + face[a] + face[a - layer(g)] + b[a];
}

// Sums over every segment of the faces along z, y, x and of b, and its number of active voxels
KERNEL sum_coefficients(Grid g, const real* __restrict__ EACH(3) face, const real* __restrict__ b,
                        real* __restrict__ EACH(5) SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), voxels = volume(g);
        const Offset all = Offset(segments(g)) * g.ny * g.nz;
        EKM_SEGMENTS(s, g) {
            Segment x, y, z, coupling, active;
            EKM_SEGMENT(l, s, g) {
                const Offset a = start + s * SEGMENT + l;
                x[l] = face[a + 2 * voxels];
                y[l] = face[a + voxels];
                z[l] = face[a];
                coupling[l] = b[a];
                active[l] = diagonal_at(g, face, b, a) > 0 ? 1 : 0;
            }
            put_sums(z, sums, s, j, k, g);
            put_sums(y, sums + all, s, j, k, g);
            put_sums(x, sums + 2 * all, s, j, k, g);
            put_sums(coupling, sums + 3 * all, s, j, k, g);
            put_sums(active, sums + 4 * all, s, j, k, g);
        }
    }
}

// Finest level: scale times the operator, in single precision
KERNEL scale_operator(Grid g, const real* __restrict__ EACH(3) face, const real* __restrict__ b,
                      real scale, single* __restrict__ EACH(3) scaled_face,
                      single* __restrict__ coupling, single* __restrict__ inverse_diagonal)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), all = volume(g);
        EKM_ALONG(i, g.nx) {
            const Offset a = start + i;
            const single scaled_d = single(scale * diagonal_at(g, face, b, a));
            scaled_face[a] = single(scale * face[a]);
            scaled_face[a + all] = single(scale * face[a + all]);
            scaled_face[a + 2 * all] = single(scale * face[a + 2 * all]);
            coupling[a] = single(scale * b[a]);
            inverse_diagonal[a] = scaled_d > 0 ? 1 / scaled_d : single(0);
        }
    }
}

// Faces and coupling of a coarse voxel from those of its rx ry rz children.
INLINE void coarsen_voxel(const Stencil& m, Offset from, int rx, int ry, int rz, single* face,
                          Offset all, single* coupling)
{
    single x = 0, y = 0, z = 0, coupling_sum = 0;
    for (int n = 0; n < rx * ry * rz; n++) {
        const int dx = n % rx, dy = n / rx % ry, dz = n / rx / ry;
        const Offset a = from + dx + dy * m.row + dz * m.layer;
        coupling_sum += m.coupling[a];
        x += dx == rx - 1 ? m.x[a] : single(0);
        y += dy == ry - 1 ? m.y[a] : single(0);
        z += dz == rz - 1 ? m.z[a] : single(0);
    }
    face[0] = z / rz;
    face[all] = y / ry;
    face[2 * all] = x / rx;
    coupling[0] = coupling_sum;
}

// Coarse operator. Faces between coarse voxels: half the sum of the fine ones along a coarsened
// axis, where the centres are twice as far apart; the sum along a kept one. Couplings add up.
KERNEL coarsen(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
               const single* __restrict__ coupling,
               single* __restrict__ EACH(3) ON(coarse) coarse_face,
               single* __restrict__ ON(coarse) coarse_coupling)
{
    const int rx = coarsening_ratio(g.nx, coarse.nx), ry = coarsening_ratio(g.ny, coarse.ny);
    const int rz = coarsening_ratio(g.nz, coarse.nz);
    const Stencil m = stencil(g, face, coupling, coupling);
    const Offset all = volume(coarse);
    if (LANES > 1 && rx * ry * rz == 8) {       // a vector of voxels at a time, as 8 is known
        EKM_VOXELS(i, j, k, coarse) {
            const Offset to = at(i, j, k, coarse);
            coarsen_voxel(m, at(2 * i, 2 * j, 2 * k, g), 2, 2, 2, coarse_face + to, all,
                          coarse_coupling + to);
        }
    } else {
        EKM_VOXELS(i, j, k, coarse) {
            const Offset to = at(i, j, k, coarse);
            coarsen_voxel(m, at(rx * i, ry * j, rz * k, g), rx, ry, rz, coarse_face + to, all,
                          coarse_coupling + to);
        }
    }
}

// inverse_diagonal = 1 / diagonal of A, 0 in inactive voxels
KERNEL invert_diagonal(Grid g, const single* __restrict__ EACH(3) face,
                       const single* __restrict__ coupling, single* __restrict__ inverse_diagonal)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        const Stencil m = stencil(g, face, coupling, coupling);
        EKM_ALONG(i, g.nx) {
            const Offset a = start + i;
            const single d = m.coupling[a] + m.x[a] + m.x[a - 1] + m.y[a] + m.y[a - m.row] + m.z[a]
                           + m.z[a - m.layer];
            inverse_diagonal[a] = d > 0 ? 1 / d : single(0);
        }
    }
}
