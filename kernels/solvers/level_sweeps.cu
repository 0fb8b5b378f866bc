// Sweeps over a level of multigrid that pass its arrays once, for processors with caches.
// Twin of ekm3d/solvers/level_sweeps.py.
//
// A tile is swept upwards, layer by layer; every step follows the one before it at a distance of
// one layer. What lies between two steps is kept for three layers, with the rows and voxels around
// the tile that the next step reads: a tile works them out itself, with the same bits, and reads
// nothing that another one writes.
//
// host only: a GPU runs the steps one by one, each over the whole level, which shares no cache
// needs parallel/segments.cuh
// needs solvers/multigrid.cuh

#if LANES > 1

constexpr int WIDE = 512;          // voxels of a tile along x
constexpr int PLANE = 24784;       // of a layer, with those around it
constexpr int LEAST = 8;           // layers, so that the first ones, worked out twice, are few

typedef single Layers[3][PLANE] ALIGNED;

// Layer k of three that follow one another; k > -3.
INLINE single* kept(Layers& layers, int k) { return layers[(k + 3) % 3]; }

// A tile of a level, and the stride of rows in layers that are kept.
struct Sweep {
    Grid g;
    Stencil m;
    const single* b;
    Tile t;
    Offset width;
};

// Rows and voxels of the tile and of so many around it, inside of the box.
INLINE Tile widened(const Sweep& s, int more)
{
    const Tile& t = s.t;
    const int i = t.i > more ? t.i - more : 0, j = t.j > more ? t.j - more : 0;
    const int end_i = t.i + t.ni + more, end_j = t.j + t.nj + more;
    return {i, j, t.k, (end_i < s.g.nx ? end_i : s.g.nx) - i,
            (end_j < s.g.ny ? end_j : s.g.ny) - j, t.nk};
}

// Place of voxel (i, j) in a layer that is kept.
INLINE Offset place(const Sweep& s, int i, int j)
{
    return (j - s.t.j + 2) * s.width + i - s.t.i + 2;
}

INLINE bool inside(const Sweep& s, int k) { return k >= 0 && k < s.g.nz; }

INLINE void clear(const Sweep& s, single* layer)
{
    const Offset count = (s.t.nj + 4) * s.width;
    EKM_PRAGMA(omp simd) for (Offset l = 0; l < count; l++) layer[l] = 0;
}

INLINE void clear(const Sweep& s, Layers& layers)
{
    for (int k = 0; k < 3; k++)
        clear(s, layers[k]);
}

// Layer k of three that are kept, from voxel (i, j) on.
INLINE Around among(const Sweep& s, Layers& layers, int i, int j, int k)
{
    const Offset p = place(s, i, j);
    const single* here = kept(layers, k);
    return {here + p, s.width, kept(layers, k - 1) - here, kept(layers, k + 1) - here};
}

// ---- steps: a layer, or one row of it --------------------------------------------------------

// y = x + P coarse_x in layer k, with two voxels around the tile.
INLINE void correct(const Sweep& s, const Grid& coarse, const single* coarse_x, const single* y,
                    int k, single* corrected)
{
    const Grid& g = s.g;
    const Tile r = widened(s, 2);
    const int rx = coarsening_ratio(g.nx, coarse.nx), ry = coarsening_ratio(g.ny, coarse.ny);
    const int rz = coarsening_ratio(g.nz, coarse.nz);
    for (int j = r.j; j < r.j + r.nj; j++) {
        const single* own = y + at(r.i, j, k, g);
        const single* parent = coarse_x + at(r.i / rx, j / ry, k / rz, coarse);
        single* to = corrected + place(s, r.i, j);
        if (rx == 1)
            EKM_ALONG(l, r.ni) to[l] = own[l] + parent[l];
        else {
            EKM_ALONG(l, r.ni / 2) {
                to[2 * l] = own[2 * l] + parent[l];
                to[2 * l + 1] = own[2 * l + 1] + parent[l];
            }
            if (r.ni % 2)
                to[r.ni - 1] = own[r.ni - 1] + parent[r.ni / 2];
        }
    }
}

// One smoothing step along a row, from voxel a on.
INLINE void smooth_row(const Sweep& s, const Around& x, single weight, Offset a, int count,
                       single* to)
{
    const Stencil m = s.m;
    const single* b = s.b;
    EKM_ALONG(l, count) to[l] = smoothed(m, b, along_row(x, l), weight, a + l);
}

// Both steps from zero along a row.
INLINE void smooth_row_from_zero(const Sweep& s, Offset a, int count, single* to)
{
    const Stencil m = s.m;
    const single* b = s.b;
    EKM_ALONG(l, count) to[l] = smoothed_from_zero(m, b, a + l);
}

// Second smoothing step, of a row of the tile, and the products of its sum with b by segment.
INLINE void smooth_row_and_sum(const Sweep& s, const Around& x, int j, int k, single* to,
                               real* sums)
{
    const Offset a = at(s.t.i, j, k, s.g);
    const Stencil m = s.m;
    const single* b = s.b;
    for (int run = 0; run * SEGMENT < s.t.ni; run++) {
        const int number = s.t.i / SEGMENT + run, first = run * SEGMENT;
        Segment product;
        EKM_SEGMENT(l, number, s.g) {
            const Offset here = a + first + l;
            const single new_x = smoothed(m, b, along_row(x, first + l), SECOND, here);
            to[first + l] = new_x;
            product[l] = real(b[here]) * real(new_x);
        }
        put_sums(product, sums, number, j, k, s.g);
    }
}

// Residual of layer k, added to that of its parents.
INLINE void restrict_layer(const Sweep& s, const Grid& coarse, Layers& x, int k, single* coarse_b)
{
    const Grid& g = s.g;
    const Tile& t = s.t;
    const int rx = coarsening_ratio(g.nx, coarse.nx), ry = coarsening_ratio(g.ny, coarse.ny);
    const int rz = coarsening_ratio(g.nz, coarse.nz);
    single left[WIDE + 1] ALIGNED;
    for (int j = t.j; j < t.j + t.nj; j++) {
        const Offset a = at(t.i, j, k, g);
        const Around here = among(s, x, t.i, j, k);
        EKM_ALONG(l, t.ni) left[l] = residual_at(s.m, s.b, along_row(here, l), a + l);
        left[t.ni] = 0;
        single* to = coarse_b + at(t.i / rx, j / ry, k / rz, coarse);
        const int count = (t.ni + rx - 1) / rx;
        if (j % ry == 0 && k % rz == 0)
            EKM_ALONG(l, count) to[l] = 0;
        if (rx == 1)
            EKM_ALONG(l, count) to[l] += left[l];
        else
            EKM_ALONG(l, count) to[l] += left[2 * l] + left[2 * l + 1];
    }
}

// The rows of the tile in layer k, from where they are kept to the array y.
INLINE void put_layer(const Sweep& s, const single* layer, int k, single* y)
{
    const Tile& t = s.t;
    for (int j = t.j; j < t.j + t.nj; j++) {
        const single* from = layer + place(s, t.i, j);
        single* to = y + at(t.i, j, k, s.g);
        EKM_ALONG(l, t.ni) to[l] = from[l];
    }
}

// ---- sweeps over a tile ----------------------------------------------------------------------

// x = both smoothing steps from y + P coarse_x; sums: of b x, if they are wanted.
ROUTINE void smooth_corrected(const Sweep& s, const Grid& coarse, const single* coarse_x,
                              const single* y, single* x, real* sums)
{
    Layers corrected, once;
    const Tile t = s.t, ring = widened(s, 1);
    clear(s, corrected), clear(s, once);
    for (int k = t.k - 2; k < t.k + t.nk + 2; k++) {
        if (inside(s, k))
            correct(s, coarse, coarse_x, y, k, kept(corrected, k));
        else
            clear(s, kept(corrected, k));
        single* next = kept(once, k - 1);
        if (k - 1 < t.k - 1 || !inside(s, k - 1))
            clear(s, next);
        else for (int j = ring.j; j < ring.j + ring.nj; j++)
            smooth_row(s, among(s, corrected, ring.i, j, k - 1), FIRST,
                       at(ring.i, j, k - 1, s.g), ring.ni, next + place(s, ring.i, j));
        if (k - 2 >= t.k)
            for (int j = t.j; j < t.j + t.nj; j++) {
                const Offset a = at(t.i, j, k - 2, s.g);
                const Around from = among(s, once, t.i, j, k - 2);
                if (sums)
                    smooth_row_and_sum(s, from, j, k - 2, x + a, sums);
                else
                    smooth_row(s, from, SECOND, a, t.ni, x + a);
            }
    }
}

// y = both smoothing steps from x, or from zero if x is null; coarse_b = R (b - A y).
ROUTINE void smooth_and_restrict(const Sweep& s, const Grid& coarse, const single* x, single* y,
                                 single* coarse_b)
{
    Layers once, twice;
    const Tile t = s.t, ring = widened(s, 1), wider = widened(s, 2);
    clear(s, once), clear(s, twice);
    for (int k = t.k - 2; k < t.k + t.nk + 2; k++) {
        if (x && !inside(s, k))
            clear(s, kept(once, k));
        else if (x)
            for (int j = wider.j; j < wider.j + wider.nj; j++) {
                const Offset a = at(wider.i, j, k, s.g);
                smooth_row(s, around(s.m, x, a), FIRST, a, wider.ni,
                           kept(once, k) + place(s, wider.i, j));
            }
        single* last = kept(twice, k - 1);
        if (k - 1 < t.k - 1 || !inside(s, k - 1))
            clear(s, last);
        else for (int j = ring.j; j < ring.j + ring.nj; j++) {
            const Offset a = at(ring.i, j, k - 1, s.g);
            single* to = last + place(s, ring.i, j);
            if (x)
                smooth_row(s, among(s, once, ring.i, j, k - 1), SECOND, a, ring.ni, to);
            else
                smooth_row_from_zero(s, a, ring.ni, to);
        }
        if (k - 1 >= t.k && k - 1 < t.k + t.nk)
            put_layer(s, last, k - 1, y);
        if (k - 2 >= t.k)
            restrict_layer(s, coarse, twice, k - 2, coarse_b);
    }
}

// ---- tiles of a level ------------------------------------------------------------------------

#ifdef _OPENMP
extern "C" int omp_get_max_threads(void);
#else
static int omp_get_max_threads() { return 1; }
#endif

// Length of equal parts of n, of about `most` at most, even: they do not divide a coarse voxel.
INLINE int even_part(int n, int most)
{
    const int part = (n + parts(n, most) - 1) / parts(n, most);
    return part + part % 2;
}

// Tiles along x, y, z, and their lengths.
struct Tiling {
    int wide, high, deep, x, y, z;
};

INLINE Tiling tiling(const Grid& g)
{
    const int wide = g.nx > WIDE ? WIDE : g.nx + g.nx % 2;
    const int high = even_part(g.ny, PLANE / (wide + 4) / 2 * 2 - 4);
    const int layers = g.nz / (worth_threads(g) ? omp_get_max_threads() : 1);
    const int deep = even_part(g.nz, layers > LEAST ? layers : LEAST);
    return {wide, high, deep, parts(g.nx, wide), parts(g.ny, high), parts(g.nz, deep)};
}

INLINE Tile tile(int number, const Tiling& a, const Grid& g)
{
    const int i = number % a.x * a.wide, j = number / a.x % a.y * a.high;
    const int k = number / a.x / a.y * a.deep;
    return {i, j, k, a.wide < g.nx - i ? a.wide : g.nx - i, a.high < g.ny - j ? a.high : g.ny - j,
            a.deep < g.nz - k ? a.deep : g.nz - k};
}

#define EKM_SWEEPS(s, g, m, b)                                                  \
    const Tiling all_ = tiling(g);                                              \
    EKM_PRAGMA(omp parallel for schedule(static) if (worth_threads(g)))         \
    for (int number = 0; number < all_.x * all_.y * all_.z; number++)           \
        for (Sweep s = {g, m, b, tile(number, all_, g), all_.wide + 4}; s.t.ni; s.t.ni = 0)

// y = both smoothing steps from zero, coarse_b = R (b - A y)
KERNEL presmooth_from_zero(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
                           const single* __restrict__ coupling,
                           const single* __restrict__ inverse_diagonal,
                           const single* __restrict__ b, single* __restrict__ y,
                           single* __restrict__ ON(coarse) coarse_b)
{
    EKM_SWEEPS(s, g, stencil(g, face, coupling, inverse_diagonal), b)
        smooth_and_restrict(s, coarse, nullptr, y, coarse_b);
}

// The same from x
KERNEL presmooth(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
                 const single* __restrict__ coupling, const single* __restrict__ inverse_diagonal,
                 const single* __restrict__ b, const single* __restrict__ x,
                 single* __restrict__ y, single* __restrict__ ON(coarse) coarse_b)
{
    EKM_SWEEPS(s, g, stencil(g, face, coupling, inverse_diagonal), b)
        smooth_and_restrict(s, coarse, x, y, coarse_b);
}

// x = both smoothing steps from y + P coarse_x
KERNEL postsmooth(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
                  const single* __restrict__ coupling,
                  const single* __restrict__ inverse_diagonal, const single* __restrict__ b,
                  const single* __restrict__ ON(coarse) coarse_x, const single* __restrict__ y,
                  single* __restrict__ x)
{
    EKM_SWEEPS(s, g, stencil(g, face, coupling, inverse_diagonal), b)
        smooth_corrected(s, coarse, coarse_x, y, x, nullptr);
}

// The same; sums over every segment of b x, in double precision
KERNEL postsmooth_and_sum(Grid g, Grid coarse, const single* __restrict__ EACH(3) face,
                          const single* __restrict__ coupling,
                          const single* __restrict__ inverse_diagonal,
                          const single* __restrict__ b,
                          const single* __restrict__ ON(coarse) coarse_x,
                          const single* __restrict__ y, single* __restrict__ x,
                          real* __restrict__ SEGMENTS(g) sums)
{
    EKM_SWEEPS(s, g, stencil(g, face, coupling, inverse_diagonal), b)
        smooth_corrected(s, coarse, coarse_x, y, x, sums);
}

#endif
