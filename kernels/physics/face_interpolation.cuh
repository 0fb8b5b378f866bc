// Face concentrations blended between both sides; twin of ekm3d/physics/face_interpolation.py. A
// strip holds faces of one axis that lie side by side along x, with quantities common to all
// species computed once.
//
// A face on the border of a tile or of a rank's box is computed twice, with the same bits. So
// every product that is added to something is written as `fused`: rounding is then the same in
// every loop; and terms that a strip skips, as none of its faces needs them, change no bit.

// Buffers written in turn: values that stay as they are would compile to branches.
constexpr int PAIRS = LANES > 1 ? 2 : 1;

// Scheme of c* on a strip: no drift; the mean; a limiter; the smaller side on some faces.
enum Drift { NONE, CENTRAL, LIMITED, SMALLER_SIDE };

struct Strip {
    Offset here, step;                      // voxel below the first face; to the one above it
    int faces;
    Drift drift;
    Lanes geometric;                        // conductance G                                 [m]
    Lanes u, inverse;                       // (F/RT) times the previous drop, 1/|u|
    Lanes speed, slow;                      // |u| G dt / (theta V), u^2 times that      [s/m2]
    Lanes use_smaller_side;                 // 1 where c* is the smaller of both sides
    Lanes open[2];                          // 1 if the face below, above conducts, else 0
    Lanes water[2];                         // the part that flows up, down: >= 0, <= 0  [m3/s]
    Lanes upstream[PAIRS], own[PAIRS];      // of the steepest species: see `steepest`
};

// A species with charge z and diffusion coefficient d [m2/s]. An anion sees a face mirrored: the
// voxel below the face for others is above it for an anion.
struct Ion {
    int anion;                              // 1 or 0
    real sign, charge, d;                   // of z (1 if it has none), |z|
    real square, half, damping, blend;      // z^2, 1/(2 |z|), blend |z| d
};

INLINE Ion ion(real z, real d, real blend)
{
    const real charge = magnitude(z), half = 1 / larger(2 * charge, SMALLEST);
    return {z < 0, z < 0 ? real(-1) : real(1), charge, d, z * z, half, blend * charge * d, blend};
}

#ifndef NT
#define NT 1                       // of a kernel of the file that has no transport factors
#endif

// Transport factors of an axis, of one for all axes (NT = 1) or one for each (NT = 3).
INLINE const real* along_axis(const real* transport_factor, int axis, const Grid& g)
{
    return NT > 1 ? transport_factor + axis * volume(g) : transport_factor;
}

INLINE real conducts(const real* transport_factor, Offset step)
{
    return smaller(transport_factor[0], transport_factor[step]) > 0 ? real(1) : real(0);
}

// Faces of an axis from the one above `here` on.
INLINE void open_strip(Strip& f, const Grid& g, int axis, Offset here, int faces,
                       const real* transport_factor)
{
    const Offset step = stride(g, axis);
    const real half = shape(g, axis);
    const real* m = transport_factor + here;
    f.here = here, f.step = step, f.faces = faces;
    EKM_LANES(l, faces) f.geometric[l] = series(m[l], m[l + step], half);
}

// Sets the flags of the neighbouring faces that conduct, an input of the limiters.
INLINE void neighbours(Strip& f, const real* transport_factor)
{
    const real* m = transport_factor + f.here;
    EKM_LANES(l, f.faces) {
        f.open[0][l] = conducts(m + l - f.step, f.step);
        f.open[1][l] = conducts(m + l + f.step, f.step);
    }
}

// Drift along the previous potential, on which c* depends besides c. highest: largest |z|.
INLINE void drift_strip(Strip& f, const real* previous_phi, const real* pore_turnover,
                        const Flag* use_smaller_side, real highest)
{
    const Offset here = f.here, step = f.step;
    int limited = 0, flagged = 0;
    EKM_LANES(l, f.faces) {
        const Offset a = here + l, b = a + step;
        const real u = F_RT * (previous_phi[a] - previous_phi[b]), size = magnitude(u);
        f.u[l] = u;
        f.speed[l] = size * f.geometric[l] * ((pore_turnover[a] + pore_turnover[b]) / 2);
        f.slow[l] = size * size * f.speed[l];
    }
    EKM_ENTRIES(l, f.faces) {
        limited |= highest * magnitude(f.u[l]) > NEARLY;
        flagged |= use_smaller_side[here + l];
    }
    f.drift = flagged ? SMALLER_SIDE : limited ? LIMITED : CENTRAL;
    if (flagged)
        EKM_LANES(l, f.faces) f.use_smaller_side[l] = use_smaller_side[here + l];
    if (f.drift != CENTRAL)
        EKM_LANES(l, f.faces) f.inverse[l] = 1 / larger(magnitude(f.u[l]), SMALLEST);
}

// phi(r)/2 of van Leer's limiter, r = upstream / own; both have the same sign, or upstream is 0.
INLINE real van_leer(real own, real upstream)
{
    return upstream / (own + upstream + SMALLEST);
}

// phi(r)/2 of Roe's superbee limiter.
INLINE real superbee(real own, real upstream)
{
    return larger(smaller(2 * upstream, own), smaller(upstream, 2 * own)) / 2
         / larger(own, SMALLEST);
}

// A strip as an ion sees it: the voxel that it comes from, flags of conducting faces before and
// behind, and the water that flows with it (0: none) and against it.
struct View {
    const real* at;
    Offset step;
    Seen before, behind, with, against;
};

INLINE View view(const Strip& f, const real* c, const Ion& n)
{
    return {c + f.here + (n.anion ? f.step : 0), n.anion ? -f.step : f.step,
            seen(n.anion, f.open[1], f.open[0]), seen(n.anion, f.open[0], f.open[1]),
            seen(n.anion, f.water[1], f.water[0]), seen(n.anion, f.water[0], f.water[1])};
}

// c on both sides of face l, its rise, and the rises of the same sign across the neighbouring
// faces: never negative, 0 across a closed face                                    [mol/m3]
struct Slopes {
    real a, b, rise, below, above;
};

template <bool limiting>
INLINE Slopes slopes(const View& v, int l)
{
    const real* at = v.at + l;
    const real a = at[0], b = at[v.step], rise = b - a;
    if (!limiting)
        return {a, b, rise, 0, 0};
    const real below = a - at[-v.step], above = at[2 * v.step] - b;
    return {a, b, rise, larger(along(below, rise) * v.before[l], 0),
            larger(along(above, rise) * v.behind[l], 0)};
}

// c* of an ion on face l                                                          [mol/m3]
template <Drift drift>
INLINE real migrating(const Strip& f, const Slopes& c, const Ion& n, int l)
{
    const bool forward = f.u[l] > 0;
    real size = n.square * f.slow[l], k = real(0.5);
    if (drift != CENTRAL) {
        const real phi = van_leer(magnitude(c.rise), forward ? c.below : c.above);
        const real half = smaller(f.inverse[l] * n.half, real(0.5));
        size = smaller(size, f.speed[l]);
        k = fused(fused(-2, half, 1), phi, half);
    }
    k *= larger(fused(-n.damping, size, n.blend), 0);
    const real face = fused(k, forward ? c.rise : -c.rise, forward ? c.a : c.b);
    return drift == SMALLER_SIDE && f.use_smaller_side[l] > 0 ? smaller(c.a, c.b) : face;
}

// Water that flows through the strip; resets the steepest species.
INLINE void water_strip(Strip& f, const real* water)
{
    EKM_LANES(l, f.faces) {
        const real flow = water[f.here + l];
        f.water[0][l] = larger(flow, 0), f.water[1][l] = smaller(flow, 0);
        f.upstream[0][l] = 1, f.own[0][l] = 0;
    }
}

// Keeps the least upstream / own of species 0 to `number` as a pair of numbers, which saves a
// division. They are divided by a power of two, for products of traces would vanish.
INLINE void steepest(Strip& f, const Slopes& c, const View& v, int number, int l)
{
    const int last = number % PAIRS, next = (number + 1) % PAIRS;
    const real size = magnitude(c.rise), behind = v.with[l] != 0 ? c.below : c.above;
    const real even = inverse_power_of_two(size + behind), upstream = behind * even;
    const real own = size * even, least = f.upstream[last][l], most = f.own[last][l];
    const bool less = upstream * most < least * own;
    f.upstream[next][l] = less ? upstream : least;
    f.own[next][l] = less ? own : most;
}

// Advection per difference of c beside that of the upstream voxel: |Q| k, one k for all species,
// less dispersion [m3/s]. Water from an electroneutral voxel then carries no current.
// kept: share of the dispersion that is sure; quickest: largest D.
INLINE void mix(const Strip& f, const real* dispersivity, const real* pore_turnover, real length,
                real quickest, real blend, real kept, real* mixed)
{
    const Offset step = f.step;
    const real central = 2 * kept / length;
    EKM_LANES(l, f.faces) {
        const Offset a = f.here + l;
        const real through = f.water[0][l] - f.water[1][l];
        const real passing = (pore_turnover[a] + pore_turnover[a + step]) / 2;
        const real alpha = (dispersivity[a] + dispersivity[a + step]) / 2;
        const real spread = alpha * through / length;
        const real front = SHARP * fused(quickest, f.geometric[l], spread);
        const real cut = through > front ? 1 - front / through : real(0);
        const real upstream = f.upstream[NS % PAIRS][l], own = f.own[NS % PAIRS][l];
        const real smooth = van_leer(own, upstream);
        const real limited = fused(cut, superbee(own, upstream) - smooth, smooth);
        const real mean = central * alpha, w = smaller(mean, 1), third = w / 3;
        const real least = w * (real(0.5) - BELOW / larger(mean, 1));
        const real k = larger(fused(1 - third, limited, third / 2), least);
        const real left = through * blend * larger(fused(-through, passing, 1), 0);
        mixed[l] = f.geometric[l] > 0 ? fused(left, k, -spread) : real(0);
    }
}
