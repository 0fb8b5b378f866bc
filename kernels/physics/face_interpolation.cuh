// What crosses a face, blended between both sides; twin of ekm3d/blending.py. A strip holds faces
// of one axis that lie side by side along x, with what all species share worked out once.
//
// A face on the border of a tile or of a rank's box is worked out twice, and both must have the
// same bits. So every product that is added to something is written as `fused`, which leaves the
// compiler nothing to round in one loop as it does not in another; and what a strip skips, for
// none of its faces needs it, would have changed no bit.

constexpr real SHARP = 10;                  // cell Peclet number of water that keeps fronts
constexpr real NEARLY = 1 - real(1e-5);     // |z u| below which a face surely is central

// Written to in turn, for a compiler makes branches of what stays as it is.
constexpr int PAIRS = LANES > 1 ? 2 : 1;

// What c* needs on a strip: nothing but the mean; a limiter; the smaller side somewhere.
enum Drift { NONE, CENTRAL, LIMITED, DOUBTFUL };

struct Strip {
    Offset here, step;                      // voxel below the first face; to the one above it
    int faces;
    Drift drift;
    Lanes geometric;                        // conductance G                                 [m]
    Lanes u, inverse;                       // (F/RT) times the lagged drop, 1/|u|
    Lanes speed, slow;                      // |u| G dt / (theta V), u^2 times that      [s/m2]
    Lanes safe;                             // 1 where c* is the smaller of both sides
    Lanes open[2];                          // 1 if the face below, above conducts, else 0
    Lanes water[2];                         // the part that flows up, down: >= 0, <= 0  [m3/s]
    Lanes upstream[PAIRS], own[PAIRS];      // where all species go most abruptly: see `steepest`
};

// A species with charge z and diffusion coefficient d [m2/s]. An anion meets a face from the other
// side: what is below the face for others is above it for an anion.
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

INLINE real conducts(const real* mobility, Offset step)
{
    return smaller(mobility[0], mobility[step]) > 0 ? real(1) : real(0);
}

// Faces of an axis from the one above `here` on.
INLINE void open_strip(Strip& f, const Grid& g, int axis, Offset here, int faces,
                       const real* mobility)
{
    const Offset step = stride(g, axis);
    const real half = shape(g, axis);
    const real* m = mobility + here;
    f.here = here, f.step = step, f.faces = faces;
    EKM_LANES(l, faces) f.geometric[l] = series(m[l], m[l + step], half);
}

// Whether the neighbouring faces conduct, which limiters ask.
INLINE void neighbours(Strip& f, const real* mobility)
{
    const real* m = mobility + f.here;
    EKM_LANES(l, f.faces) {
        f.open[0][l] = conducts(m + l - f.step, f.step);
        f.open[1][l] = conducts(m + l + f.step, f.step);
    }
}

// Drift along the lagged potential: what c* depends on besides c. highest: largest |z|.
INLINE void drift_strip(Strip& f, const real* lag, const real* turnover, const Flag* safe,
                        real highest)
{
    const Offset here = f.here, step = f.step;
    int limited = 0, doubtful = 0;
    EKM_LANES(l, f.faces) {
        const real u = F_RT * (lag[here + l] - lag[here + l + step]), size = magnitude(u);
        f.u[l] = u;
        f.speed[l] = size * f.geometric[l] * ((turnover[here + l] + turnover[here + l + step]) / 2);
        f.slow[l] = size * size * f.speed[l];
    }
    for (int l = 0; l < f.faces; l++) {
        limited |= highest * magnitude(f.u[l]) > NEARLY;
        doubtful |= safe[here + l];
    }
    f.drift = doubtful ? DOUBTFUL : limited ? LIMITED : CENTRAL;
    if (doubtful)
        EKM_LANES(l, f.faces) f.safe[l] = safe[here + l];
    if (f.drift != CENTRAL)
        EKM_LANES(l, f.faces) f.inverse[l] = 1 / larger(magnitude(f.u[l]), SMALLEST);
}

// phi(r)/2 of van Leer's limiter, r = upstream / own; both have the same sign, or upstream is 0.
INLINE real limited(real own, real upstream)
{
    return upstream / (own + upstream + SMALLEST);
}

// phi(r)/2 of Roe's superbee limiter.
INLINE real compressed(real own, real upstream)
{
    return larger(smaller(2 * upstream, own), smaller(upstream, 2 * own)) / 2
         / larger(own, SMALLEST);
}

// A strip as an ion meets it: the voxel that it comes from, whether the faces before and behind
// conduct, and the water that flows with it (0: none) and against it.
struct View {
    const real* at;
    Offset step;
    const real *before, *behind, *with, *against;
};

INLINE View view(const Strip& f, const real* c, const Ion& n)
{
    return {c + f.here + (n.anion ? f.step : 0), n.anion ? -f.step : f.step,
            n.anion ? f.open[1] : f.open[0], n.anion ? f.open[0] : f.open[1],
            n.anion ? f.water[1] : f.water[0], n.anion ? f.water[0] : f.water[1]};
}

// c on both sides of face l, how much it rises there, and how much in the same direction across the
// neighbouring faces: these are never negative, and a closed face counts as no difference [mol/m3]
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
        const real phi = limited(magnitude(c.rise), forward ? c.below : c.above);
        const real half = smaller(f.inverse[l] * n.half, real(0.5));
        size = smaller(size, f.speed[l]);
        k = fused(fused(-2, half, 1), phi, half);
    }
    k *= larger(fused(-n.damping, size, n.blend), 0);
    const real face = fused(k, forward ? c.rise : -c.rise, forward ? c.a : c.b);
    return drift == DOUBTFUL && f.safe[l] > 0 ? smaller(c.a, c.b) : face;
}

// Water that flows through the strip, before it meets the first species.
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

// What water adds per difference of c: |Q| k, one k for all species, less its dispersion [m3/s].
// Water from an electroneutral voxel then carries no current. quickest: largest D.
INLINE void mix(const Strip& f, const real* dispersivity, const real* turnover, real length,
                real quickest, real blend, real* mixed)
{
    const Offset step = f.step;
    EKM_LANES(l, f.faces) {
        const Offset a = f.here + l;
        const real through = f.water[0][l] - f.water[1][l];
        const real passing = (turnover[a] + turnover[a + step]) / 2;
        const real spread = (dispersivity[a] + dispersivity[a + step]) / 2 * through / length;
        const real front = SHARP * fused(quickest, f.geometric[l], spread);
        const real cut = through > front ? 1 - front / through : real(0);
        const real upstream = f.upstream[NS % PAIRS][l], own = f.own[NS % PAIRS][l];
        const real smooth = limited(own, upstream);
        const real k = fused(cut, compressed(own, upstream) - smooth, smooth);
        const real left = through * blend * larger(fused(-through, passing, 1), 0);
        mixed[l] = f.geometric[l] > 0 ? fused(left, k, -spread) : real(0);
    }
}
