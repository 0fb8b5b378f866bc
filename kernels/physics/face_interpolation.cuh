// Face concentrations blended between both sides; twin of ekm3d/physics/face_interpolation.py. A
// strip holds faces of one axis that lie side by side along x, with quantities common to all
// species computed once; on the GPU a single face.
//
// A face on the border of a tile or of a rank's box is computed twice, with the same bits. So
// every product that is added to something is written as `fused`: rounding is then the same in
// every loop; and terms that a strip skips, as none of its faces needs them, change no bit.

// Packs of faces that a strip has at most: with more, what is common leaves the cache of level 1.
constexpr int PACKS = LANES > 1 ? 12 : 1;

// Scheme of c* on a strip: no drift; the mean; a limiter; the smaller side on some faces.
enum Drift { NONE, CENTRAL, LIMITED, SMALLER_SIDE };

// Where a strip of a row of `count` voxels ends that begins at the voxel `first`.
INLINE int strip_end(int first, int count)
{
    const int left = parts(count - first, WIDTH);
    const int end = first + parts(left, parts(left, PACKS)) * WIDTH;
    return end < count ? end : count;
}

// A species with charge z and diffusion coefficient d [m2/s].
struct Ion {
    int anion, kind;                        // 1 or 0; row of the weights of its charge
    real z, charge, d;                      // charge: |z|
    real square, half, damping, blend;      // z^2, 1/(2 |z|), blend |z| d
};

INLINE Ion ion(real z, real d, real blend)
{
    const real charge = magnitude(z), half = 1 / larger(2 * charge, SMALLEST);
    return {z < 0, 0, z, charge, d, z * z, half, blend * charge * d, blend};
}

// All species. On the host ions of one charge share a row of weights, of the ion `example`; a GPU
// has no registers for tables.
struct Species {
#if LANES > 1
    Ion of[NS];
    int kinds, example[NS];
#else
    const real *z, *diffusion;
    real blend;
#endif
};

INLINE Species species_of(const real* z, const real* diffusion, real blend)
{
#if LANES > 1
    Species s;
    s.kinds = 0;
    for (int n = 0; n < NS; n++) {
        int kind = 0;
        while (kind < s.kinds && z[s.example[kind]] != z[n])
            kind++;
        if (kind == s.kinds)
            s.example[s.kinds++] = n;
        s.of[n] = ion(z[n], diffusion[n], blend);
        s.of[n].kind = kind;
    }
    return s;
#else
    return {z, diffusion, blend};
#endif
}

INLINE Ion ion(const Species& s, int n)
{
#if LANES > 1
    return s.of[n];
#else
    return ion(s.z[n], s.diffusion[n], s.blend);
#endif
}

struct Strip {
    Offset here, step;                      // voxel below the first face; to the one above it
    int packs;
    Drift drift;
    Pack geometric[PACKS];                  // conductance G                                 [m]
    Pack inverse[PACKS];                    // 1/|u|, u = (F/RT) times the previous drop
    Pack speed[PACKS], slow[PACKS];         // |u| G dt / (theta V), u^2 times that       [s/m2]
    Pack water[PACKS];                      // that flows up the axis                     [m3/s]
    Pack upstream[PACKS], own[PACKS];       // of the steepest species: see `steepest`
#if LANES > 1
    Pack half[NS][PACKS], rest[NS][PACKS], size[NS][PACKS];     // see `weigh`
#endif
    Mask forward[2][PACKS], rises[PACKS];   // u > 0, and not (for anions); water > 0
    Mask open[2][PACKS];                    // the face below, above conducts
    Mask use_smaller_side[PACKS];           // c* is the smaller of both sides
};

// A GPU's one, as a constant: what a variable indexes is no register.
INLINE int packs(const Strip& f) { return LANES > 1 ? f.packs : 1; }

#ifndef NT
#define NT 1                       // of a kernel of the file that has no transport factors
#endif

// Transport factors of an axis, of one for all axes (NT = 1) or one for each (NT = 3).
INLINE const real* along_axis(const real* transport_factor, int axis, const Grid& g)
{
    return NT > 1 ? transport_factor + axis * volume(g) : transport_factor;
}

INLINE Mask conducts(const real* transport_factor, Offset step)
{
    return less(broadcast(0), smaller(load(transport_factor), load(transport_factor + step)));
}

// Mean of both sides of a face.
INLINE Pack mean(const real* from, Offset step) { return (load(from) + load(from + step)) / 2; }

// Difference of both sides, the lower less the upper.
INLINE Pack drop(const real* from, Offset step) { return load(from) - load(from + step); }

// Faces of an axis from the one above `here` on.
INLINE void open_strip(Strip& f, const Grid& g, int axis, Offset here, int faces,
                       const real* transport_factor)
{
    const Offset step = stride(g, axis);
    const real half = shape(g, axis);
    const real* m = transport_factor + here;
    f.here = here, f.step = step, f.packs = (faces + WIDTH - 1) / WIDTH;
    for (int q = 0; q < packs(f); q++, m += WIDTH) {
        const Pack a = load(m), b = load(m + step), both = a + b;
        f.geometric[q] = choose(less(broadcast(0), both), half * (a * b) / both, broadcast(0));
    }
}

// Sets the flags of the neighbouring faces that conduct, an input of the limiters.
INLINE void neighbours(Strip& f, const real* transport_factor)
{
    const real* m = transport_factor + f.here;
    for (int q = 0; q < packs(f); q++, m += WIDTH) {
        f.open[0][q] = conducts(m - f.step, f.step);
        f.open[1][q] = conducts(m + f.step, f.step);
    }
}

// Drift along the previous potential, on which c* depends besides c. highest: largest |z|.
INLINE void drift_strip(Strip& f, const real* previous_phi, const real* pore_turnover,
                        const Flag* use_smaller_side, real highest)
{
    bool limited = false, flagged = false;
    for (int q = 0; q < packs(f); q++) {
        const Offset a = f.here + q * WIDTH;
        const Pack u = F_RT * drop(previous_phi + a, f.step), size = magnitude(u);
        f.inverse[q] = size;
        f.speed[q] = size * f.geometric[q] * mean(pore_turnover + a, f.step);
        f.slow[q] = size * size * f.speed[q];
        f.forward[0][q] = less(broadcast(0), u);
        f.forward[1][q] = opposite(f.forward[0][q]);
        f.use_smaller_side[q] = set(use_smaller_side + a);
        limited = limited || any(less(broadcast(NEARLY), highest * size));
        flagged = flagged || any(f.use_smaller_side[q]);
    }
    f.drift = flagged ? SMALLER_SIDE : limited ? LIMITED : CENTRAL;
    if (f.drift != CENTRAL)
        for (int q = 0; q < packs(f); q++)
            f.inverse[q] = 1 / larger(f.inverse[q], broadcast(SMALLEST));
}

// What k of an ion takes from its charge: w/2, 1 - w, and nu min(u2, 1) over D |z|.
struct Weights {
    Pack half, rest, size;
};

INLINE Weights weigh(const Strip& f, bool central, real square, real half, int q)
{
    const Pack size = square * f.slow[q];
    if (central)
        return {broadcast(0), broadcast(0), size};
    const Pack share = smaller(f.inverse[q] * half, broadcast(real(0.5)));
    return {share, fused(broadcast(-2), share, broadcast(1)), smaller(size, f.speed[q])};
}

// Tables of the weights of every charge, on the host.
INLINE void weigh(Strip& f, const Species& s)
{
#if LANES > 1
    for (int kind = 0; kind < s.kinds; kind++) {
        const Ion& n = s.of[s.example[kind]];
        for (int q = 0; q < packs(f); q++) {
            const Weights w = weigh(f, f.drift == CENTRAL, n.square, n.half, q);
            f.half[kind][q] = w.half, f.rest[kind][q] = w.rest, f.size[kind][q] = w.size;
        }
    }
#endif
}

INLINE Weights weights(const Strip& f, bool central, const Ion& n, int q)
{
#if LANES > 1
    return {f.half[n.kind][q], f.rest[n.kind][q], f.size[n.kind][q]};
#else
    return weigh(f, central, n.square, n.half, q);
#endif
}

// phi(r)/2 of van Leer's limiter, r = upstream / own; both have the same sign, or upstream is 0.
INLINE Pack van_leer(Pack own, Pack upstream)
{
    return upstream / (own + upstream + SMALLEST);
}

// phi(r)/2 of Roe's superbee limiter.
INLINE Pack superbee(Pack own, Pack upstream)
{
    return larger(smaller(2 * upstream, own), smaller(upstream, 2 * own)) / 2
         / larger(own, broadcast(SMALLEST));
}

// c on both sides of a face, its rise, and the rises of the same sign across the neighbouring
// faces: never negative, 0 across a closed face                                    [mol/m3]
struct Slopes {
    Pack a, b, rise, below, above;
};

// c: of a species at the voxels below the faces of the q-th pack.
template <bool limiting>
INLINE Slopes slopes(const Strip& f, const real* c, int q)
{
    const Pack a = load(c), b = load(c + f.step), rise = b - a;
    if (!limiting)
        return {a, b, rise, broadcast(0), broadcast(0)};
    const Pack below = a - load(c - f.step), above = load(c + 2 * f.step) - b;
    return {a, b, rise, larger_where(f.open[0][q], along(below, rise), broadcast(0)),
            larger_where(f.open[1][q], along(above, rise), broadcast(0))};
}

// c* of an ion on the faces of a pack                                              [mol/m3]
template <Drift drift>
INLINE Pack migrating(const Strip& f, const Slopes& c, const Ion& n, int q)
{
    const Weights w = weights(f, drift == CENTRAL, n, q);
    const Mask forward = picked(f.forward, n.anion, q), back = picked(f.forward, !n.anion, q);
    Pack k = broadcast(real(0.5));
    if (drift != CENTRAL)
        k = fused(w.rest, van_leer(magnitude(c.rise), choose(forward, c.below, c.above)), w.half);
    k *= larger(fused(broadcast(-n.damping), w.size, broadcast(n.blend)), broadcast(0));
    const Pack face = fused(k, turned(back, c.rise), choose(forward, c.a, c.b));
    return drift == SMALLER_SIDE ? choose(f.use_smaller_side[q], smaller(c.a, c.b), face) : face;
}

// Water that flows through the strip; resets the steepest species.
INLINE void water_strip(Strip& f, const real* water)
{
    for (int q = 0; q < packs(f); q++) {
        f.water[q] = load(water + f.here + q * WIDTH);
        f.rises[q] = less(broadcast(0), f.water[q]);
        f.upstream[q] = broadcast(1), f.own[q] = broadcast(0);
    }
}

// Keeps the least upstream / own of all species so far as a pair of numbers, which saves a
// division. They are divided by a power of two, for products of traces would vanish.
INLINE void steepest(Strip& f, const Slopes& c, int q)
{
    const Pack size = magnitude(c.rise), behind = choose(f.rises[q], c.below, c.above);
    const Pack least = f.upstream[q], most = f.own[q];
    const Mask lesser = less(behind * most, least * size);
    const Pack even = inverse_power_of_two(size + behind);
    f.upstream[q] = times_where(lesser, behind, even, least);
    f.own[q] = times_where(lesser, size, even, most);
}

// Advection per difference of c beside that of the upstream voxel: |Q| k, one k for all species,
// less dispersion [m3/s]. Water from an electroneutral voxel then carries no current.
// kept: share of the dispersion that is sure; quickest: largest D.
INLINE Pack mix(const Strip& f, const real* dispersivity, const real* pore_turnover, real length,
                real quickest, real blend, real kept, int q)
{
    const Offset a = f.here + q * WIDTH;
    const real central = 2 * kept / length;
    const Pack through = magnitude(f.water[q]), upstream = f.upstream[q], own = f.own[q];
    const Pack passing = mean(pore_turnover + a, f.step), alpha = mean(dispersivity + a, f.step);
    const Pack spread = alpha * through / length;
    const Pack front = SHARP * fused(broadcast(quickest), f.geometric[q], spread);
    const Pack cut = choose(less(front, through), 1 - front / through, broadcast(0));
    const Pack smooth = van_leer(own, upstream);
    const Pack limited = fused(cut, superbee(own, upstream) - smooth, smooth);
    const Pack share = central * alpha, w = smaller(share, broadcast(1)), third = w / 3;
    const Pack least = w * (real(0.5) - BELOW / larger(share, broadcast(1)));
    const Pack k = larger(fused(1 - third, limited, third / 2), least);
    const Pack arriving = fused(-through, passing, broadcast(1));
    const Pack left = through * blend * larger(arriving, broadcast(0));
    return choose(less(broadcast(0), f.geometric[q]), fused(left, k, -spread), broadcast(0));
}
