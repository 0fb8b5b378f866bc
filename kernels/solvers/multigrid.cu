// A multigrid cycle in single precision for the 7-point operator; twin of ekm3d/multigrid.py.
//
//     (A x)_i = link_i x_i + sum over six neighbours of face_ij (x_i - x_j)
//
// face (3, voxels): conductances, axis 0, 1, 2 = z, y, x, stored with the voxel below the face;
// inverse: 1 / diagonal of A, zero where nothing conducts. Differences are taken first, so that
// rounding never couples a constant to anything: what single precision makes of A is still the
// operator of a medium, each of its conductances wrong by a few 1e-8. All ghosts are zero, and
// the last children of a coarse voxel may be ghosts.

// Chebyshev's polynomial of degree 2 on [LARGEST/5, LARGEST] in two steps; the eigenvalues of
// D^-1 A end below 2.
constexpr real LARGEST = real(19) / 10;
constexpr real CENTRE = LARGEST * 3 / 5, REACH = LARGEST * 2 / 5 * real(0.70710678118654752);
constexpr single FIRST = single(1 / (CENTRE + REACH)), SECOND = single(1 / (CENTRE - REACH));

// Children per coarse voxel along one axis.
INLINE int ratio(int fine, int coarse) { return fine > coarse ? 2 : 1; }

// The operator of one grid, and where the neighbours of a voxel lie.
struct Medium {
    const single *z, *y, *x, *link, *inverse;
    Offset row, layer;
};

INLINE Medium medium(const Grid& g, const single* face, const single* link, const single* inverse)
{
    const Offset all = volume(g);
    return {face, face + all, face + 2 * all, link, inverse, row(g), layer(g)};
}

// (b - A x) at voxel a
INLINE single left(const Medium& m, const single* b, const single* x, Offset a)
{
    const single own = x[a];
    return b[a] - m.link[a] * own
         + m.x[a] * (x[a + 1] - own) + m.x[a - 1] * (x[a - 1] - own)
         + m.y[a] * (x[a + m.row] - own) + m.y[a - m.row] * (x[a - m.row] - own)
         + m.z[a] * (x[a + m.layer] - own) + m.z[a - m.layer] * (x[a - m.layer] - own);
}

// ---- one row of voxels --------------------------------------------------------------------

INLINE void from_zero(const Grid& g, const Medium& m, const single* b, single* x, int j, int k)
{
    const Offset start = at(0, j, k, g), row = m.row, layer = m.layer;
    const single* d = m.inverse;
    EKM_ALONG(i, g.nx) {
        const Offset a = start + i;
        const single own = d[a] * b[a];
        const single sum = m.x[a] * (d[a + 1] * b[a + 1] - own)
            + m.x[a - 1] * (d[a - 1] * b[a - 1] - own)
            + m.y[a] * (d[a + row] * b[a + row] - own)
            + m.y[a - row] * (d[a - row] * b[a - row] - own)
            + m.z[a] * (d[a + layer] * b[a + layer] - own)
            + m.z[a - layer] * (d[a - layer] * b[a - layer] - own);
        x[a] = FIRST * own + SECOND * d[a] * (b[a] + FIRST * (sum - m.link[a] * own));
    }
}

// One step of smoothing at voxel a
INLINE single stepped(const Medium& m, const single* b, const single* x, single weight, Offset a)
{
    const single d = m.inverse[a];
    return d > 0 ? x[a] + weight * d * left(m, b, x, a) : single(0);
}

INLINE void step(const Grid& g, const Medium& m, const single* b, const single* x, single weight,
                 single* y, int j, int k)
{
    const Offset start = at(0, j, k, g);
    EKM_ALONG(i, g.nx) y[start + i] = stepped(m, b, x, weight, start + i);
}

// j, k: a row of coarse voxels
INLINE void gather(const Grid& g, const Grid& coarse, const Medium& m, const single* b,
                   const single* x, single* coarse_b, int j, int k)
{
    const Offset to = at(0, j, k, coarse);
    const int fy = ratio(g.ny, coarse.ny), fz = ratio(g.nz, coarse.nz);
    EKM_ALONG(i, coarse.nx) coarse_b[to + i] = 0;
    for (int child = 0; child < fy * fz; child++) {
        const Offset from = at(0, fy * j + child % fy, fz * k + child / fy, g);
        if (g.nx > coarse.nx) {
            EKM_ALONG(i, coarse.nx)
                coarse_b[to + i] += left(m, b, x, from + 2 * i) + left(m, b, x, from + 2 * i + 1);
        } else {
            EKM_ALONG(i, coarse.nx) coarse_b[to + i] += left(m, b, x, from + i);
        }
    }
}

// j, k: a row of fine voxels
INLINE void spread(const Grid& g, const Grid& coarse, const single* coarse_x, single* x, int j,
                   int k)
{
    const Offset from = at(0, j / ratio(g.ny, coarse.ny), k / ratio(g.nz, coarse.nz), coarse);
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

// x from b, beginning at zero: both steps at once
KERNEL smooth_from_zero(Grid g, const single* __restrict__ EACH(3) face,
                        const single* __restrict__ link, const single* __restrict__ inverse,
                        const single* __restrict__ b, single* __restrict__ x)
{
    EKM_ROWS(j, k, g) from_zero(g, medium(g, face, link, inverse), b, x, j, k);
}

// y = x + weight D^-1 (b - A x), 0 where nothing conducts
KERNEL smooth(Grid g, const single* __restrict__ EACH(3) face, const single* __restrict__ link,
              const single* __restrict__ inverse, const single* __restrict__ b,
              const single* __restrict__ x, single weight, single* __restrict__ y)
{
    EKM_ROWS(j, k, g) step(g, medium(g, face, link, inverse), b, x, weight, y, j, k);
}

// The same, and the sum of b y over every segment
KERNEL smooth_and_sum(Grid g, const single* __restrict__ EACH(3) face,
                      const single* __restrict__ link, const single* __restrict__ inverse,
                      const single* __restrict__ b, const single* __restrict__ x, single weight,
                      single* __restrict__ y, real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Medium m = medium(g, face, link, inverse);
        const Offset start = at(0, j, k, g);
        EKM_SPANS(s, g) {
            Span product;
            EKM_SPAN(l, s, g) {
                const Offset a = start + s * g.segment + l;
                const single found = stepped(m, b, x, weight, a);
                y[a] = found;
                product[l] = real(b[a]) * real(found);
            }
            sums[span_at(s, j, k, g)] = of_span(product);
        }
    }
}

// coarse_b: b - A x added up over the children
KERNEL restrict_residual(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
                         const single* __restrict__ link, const single* __restrict__ b,
                         const single* __restrict__ x, single* __restrict__ ON(coarse) coarse_b)
{
    EKM_ROWS(j, k, coarse) gather(g, coarse, medium(g, face, link, link), b, x, coarse_b, j, k);
}

// x += the parent's coarse_x
KERNEL prolong(Grid g, Grid coarse, const single* __restrict__ ON(coarse) coarse_x,
               single* __restrict__ x)
{
    EKM_ROWS(j, k, g) spread(g, coarse, coarse_x, x, j, k);
}

// ---- small levels, all in one launch of one block ---------------------------------------------

// A level within the store: its grid, then face (3), link, inverse, b, x, y one after another.
struct Level {
    Grid g;
    Medium m;
    single *b, *x, *y;
};

INLINE Level level_of(const Offset* table, int n, int ghost, single* store)
{
    const Offset* t = table + 4 * n;
    const Grid g = {int(t[0]), int(t[1]), int(t[2]), ghost, 1, 0, 0, 0};
    const Offset all = volume(g);
    single* a = store + t[3];
    return {g, medium(g, a, a + 3 * all, a + 4 * all), a + 5 * all, a + 6 * all, a + 7 * all};
}

// Carries out pairs (what, level): 0 from zero, 1 two steps, 2 restrict, 3 prolong, 4 x = b / D.
KERNEL small_cycle(Grid g, const Offset* __restrict__ LIST(entries) table,
                   const int* __restrict__ LIST(count) steps, int entries, int count, Offset size,
                   single* __restrict__ LIST(size) store)
{
    for (int n = 0; n < count; n += 2) {
        const int what = steps[n];
        const Level l = level_of(table, steps[n + 1], g.ghost, store);
        if (what == 0) {
            EKM_BLOCK_ROWS(j, k, l.g) from_zero(l.g, l.m, l.b, l.x, j, k);
        } else if (what == 1) {
            EKM_BLOCK_ROWS(j, k, l.g) step(l.g, l.m, l.b, l.x, FIRST, l.y, j, k);
            BLOCK_WAIT();
            EKM_BLOCK_ROWS(j, k, l.g) step(l.g, l.m, l.b, l.y, SECOND, l.x, j, k);
        } else if (what == 4) {
            EKM_BLOCK_ROWS(j, k, l.g) {
                const Offset start = at(0, j, k, l.g);
                EKM_ALONG(i, l.g.nx) l.x[start + i] = l.m.inverse[start + i] * l.b[start + i];
            }
        } else {
            const Level c = level_of(table, steps[n + 1] + 1, g.ghost, store);
            if (what == 2) {
                EKM_BLOCK_ROWS(j, k, c.g) gather(l.g, c.g, l.m, l.b, l.x, c.b, j, k);
            } else {
                EKM_BLOCK_ROWS(j, k, l.g) spread(l.g, c.g, c.x, l.x, j, k);
            }
        }
        BLOCK_WAIT();
    }
}

// ---- set-up ------------------------------------------------------------------------------

// Sums over every segment of az, ay, ax and b, and the number of voxels that conduct
KERNEL survey(Grid g, const real* __restrict__ ax, const real* __restrict__ ay,
              const real* __restrict__ az, const real* __restrict__ b,
              real* __restrict__ EACH(5) SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), ny = row(g), nz = layer(g);
        const Offset all = Offset(segments(g)) * g.ny * g.nz;
        EKM_SPANS(s, g) {
            Span x, y, z, links, live;
            EKM_SPAN(l, s, g) {
                const Offset a = start + s * g.segment + l;
                const real d = ax[a] + ax[a - 1] + ay[a] + ay[a - ny] + az[a] + az[a - nz] + b[a];
                x[l] = ax[a];
                y[l] = ay[a];
                z[l] = az[a];
                links[l] = b[a];
                live[l] = d > 0 ? 1 : 0;
            }
            real* to = sums + span_at(s, j, k, g);
            to[0] = of_span(z);
            to[all] = of_span(y);
            to[2 * all] = of_span(x);
            to[3 * all] = of_span(links);
            to[4 * all] = of_span(live);
        }
    }
}

// The finest level: scale times the operator, in single precision
KERNEL convert(Grid g, const real* __restrict__ ax, const real* __restrict__ ay,
               const real* __restrict__ az, const real* __restrict__ b, real scale,
               single* __restrict__ EACH(3) face, single* __restrict__ link,
               single* __restrict__ inverse)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), ny = row(g), nz = layer(g), all = volume(g);
        EKM_ALONG(i, g.nx) {
            const Offset a = start + i;
            const real d = ax[a] + ax[a - 1] + ay[a] + ay[a - ny] + az[a] + az[a - nz] + b[a];
            const single small = single(scale * d);
            face[a] = single(scale * az[a]);
            face[a + all] = single(scale * ay[a]);
            face[a + 2 * all] = single(scale * ax[a]);
            link[a] = single(scale * b[a]);
            inverse[a] = small > 0 ? 1 / small : single(0);
        }
    }
}

// Faces between coarse voxels: half the sum of the fine ones along a coarsened axis, for the
// centres are twice as far apart; the sum along a kept one. Links add up.
KERNEL coarsen(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
               const single* __restrict__ link, single* __restrict__ EACH(3) ON(coarse) coarse_face,
               single* __restrict__ ON(coarse) coarse_link)
{
    EKM_VOXELS(i, j, k, coarse) {
        const int fx = ratio(g.nx, coarse.nx), fy = ratio(g.ny, coarse.ny);
        const int fz = ratio(g.nz, coarse.nz);
        const Medium m = medium(g, face, link, link);
        const Offset from = at(fx * i, fy * j, fz * k, g), to = at(i, j, k, coarse);
        const Offset all = volume(coarse);
        single x = 0, y = 0, z = 0, links = 0;
        for (int n = 0; n < fx * fy * fz; n++) {
            const int dx = n % fx, dy = n / fx % fy, dz = n / fx / fy;
            const Offset a = from + dx + dy * m.row + dz * m.layer;
            links += m.link[a];
            x += dx == fx - 1 ? m.x[a] : single(0);
            y += dy == fy - 1 ? m.y[a] : single(0);
            z += dz == fz - 1 ? m.z[a] : single(0);
        }
        coarse_face[to] = z / fz;
        coarse_face[to + all] = y / fy;
        coarse_face[to + 2 * all] = x / fx;
        coarse_link[to] = links;
    }
}

// inverse = 1 / diagonal of A, 0 where nothing conducts
KERNEL invert_diagonal(Grid g, const single* __restrict__ EACH(3) face,
                       const single* __restrict__ link, single* __restrict__ inverse)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        const Medium m = medium(g, face, link, link);
        EKM_ALONG(i, g.nx) {
            const Offset a = start + i;
            const single d = m.link[a] + m.x[a] + m.x[a - 1] + m.y[a] + m.y[a - m.row] + m.z[a]
                           + m.z[a - m.layer];
            inverse[a] = d > 0 ? 1 / d : single(0);
        }
    }
}
