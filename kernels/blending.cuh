// What crosses a face, blended between both sides; twin of ekm3d/blending.py. A strip holds faces
// of one axis that lie side by side along x, with what all species share worked out once.

constexpr real SHARP = 10;                  // cell Peclet number of water that keeps fronts

// What c* needs on a strip: nothing but the mean; a limiter; the smaller side somewhere.
enum Drift { NONE, CENTRAL, LIMITED, DOUBTFUL };

struct Strip {
    Offset here, step;                      // voxel below the first face; to the one above it
    int faces;
    Lanes geometric;                        // conductance G                                 [m]
    Lanes lower, upper;                     // 1 if the neighbouring face conducts, else 0
    Drift drift;
    Lanes u, inverse;                       // (F/RT) times the lagged drop, 1/|u|
    Lanes speed;                            // |u| G dt / (theta V)                      [s/m2]
    Lanes safe;                             // 1 where c* is the smaller of both sides
    bool wet;                               // whether water flows at all
    Lanes flow;                             //                                           [m3/s]
    Lanes upstream, own;                    // where all species go most abruptly: see `steepest`
};

INLINE real conducts(const real* mobility, Offset step)
{
    return smaller(mobility[0], mobility[step]) > 0 ? real(1) : real(0);
}

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

// Faces of an axis from the one above `here` on.
INLINE void open_strip(Strip& f, const Grid& g, int axis, Offset here, int faces,
                       const real* mobility)
{
    const Offset step = stride(g, axis);
    const real half = shape(g, axis);
    f.here = here, f.step = step, f.faces = faces;
    EKM_LANES(l, faces) {
        const real* m = mobility + here + l;
        f.geometric[l] = series(m[0], m[step], half);
        f.lower[l] = conducts(m - step, step);
        f.upper[l] = conducts(m + step, step);
    }
}

// Drift along the lagged potential: what c* depends on besides c. highest: largest |z|.
INLINE void drift_strip(Strip& f, const real* lag, const real* turnover, const Flag* safe,
                        real highest)
{
    const Offset here = f.here, step = f.step;
    int limited = 0, doubtful = 0;
    EKM_LANES(l, f.faces) {
        const real u = F_RT * (lag[here + l] - lag[here + l + step]);
        f.u[l] = u;
        f.speed[l] = magnitude(u) * f.geometric[l]
                   * ((turnover[here + l] + turnover[here + l + step]) / 2);
        f.safe[l] = safe[here + l];
    }
    for (int l = 0; l < f.faces; l++) {
        limited |= highest * magnitude(f.u[l]) > 1;
        doubtful |= f.safe[l] > 0;
    }
    f.drift = doubtful ? DOUBTFUL : limited ? LIMITED : CENTRAL;
    if (f.drift != CENTRAL)
        EKM_LANES(l, f.faces) f.inverse[l] = 1 / larger(magnitude(f.u[l]), SMALLEST);
}

// Differences of c on a face and, if they have the sign of its own, across its neighbours: these
// are never negative. A closed neighbour counts as no difference                  [mol/m3]
struct Differences {
    real own, size, lower, upper;
};

INLINE Differences differences(const Strip& f, const real* at, int l)
{
    const real own = at[f.step] - at[0], sign = own < 0 ? real(-1) : real(1);
    const real lower = (at[0] - at[-f.step]) * (sign * f.lower[l]);
    const real upper = (at[2 * f.step] - at[f.step]) * (sign * f.upper[l]);
    return {own, sign * own, larger(lower, 0), larger(upper, 0)};
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

// c* of a species with charge z (not 0) and diffusion coefficient d on face l     [mol/m3]
template <Drift drift>
INLINE real migrating(const Strip& f, const real* at, const Differences& c, int l, real z,
                      real inverse_z, real d, real blend)
{
    const real a = at[0], b = at[f.step], u = z * f.u[l];
    const bool forward = u > 0;
    real k = real(0.5);
    if (drift != CENTRAL) {
        const real central = smaller(f.inverse[l] * inverse_z, 1);
        k = central / 2 + (1 - central) * limited(c.size, forward ? c.lower : c.upper);
    }
    k *= larger(blend - smaller(u * u, 1) * (blend * magnitude(z) * d * f.speed[l]), 0);
    const real face = forward ? a + k * c.own : b - k * c.own;
    return drift == DOUBTFUL && f.safe[l] > 0 ? smaller(a, b) : face;
}

// Water that flows through the strip.
INLINE void water_strip(Strip& f, const real* water)
{
    int wet = 0;
    for (int l = 0; l < f.faces; l++)
        wet |= water[f.here + l] != 0;
    f.wet = wet;
    if (wet)
        EKM_LANES(l, f.faces) f.flow[l] = water[f.here + l], f.upstream[l] = 1, f.own[l] = 0;
}

// Keeps the least upstream / own of all species so far as a pair of numbers, which saves a
// division. They are divided by a power of two, for products of traces would vanish.
INLINE void steepest(Strip& f, const Differences& c, int l)
{
    const real upstream = f.flow[l] > 0 ? c.lower : c.upper;
    const real even = inverse_power_of_two(c.size + upstream);
    const real steep = upstream * even, own = c.size * even;
    const bool less = steep * f.own[l] < f.upstream[l] * own;
    f.upstream[l] = less ? steep : f.upstream[l];
    f.own[l] = less ? own : f.own[l];
}

// What water adds per difference of c: |Q| k, one k for all species, less its dispersion [m3/s].
// Water from an electroneutral voxel then carries no current. quickest: largest D.
INLINE void mix(const Strip& f, const real* dispersivity, const real* turnover, real length,
                real quickest, real blend, Lanes mixed)
{
    const Offset step = f.step;
    EKM_LANES(l, f.faces) {
        const Offset a = f.here + l;
        const real through = magnitude(f.flow[l]), courant = through * (turnover[a]
                                                                       + turnover[a + step]) / 2;
        const real spread = (dispersivity[a] + dispersivity[a + step]) / 2 * through / length;
        const real front = SHARP * (quickest * f.geometric[l] + spread);
        const real cut = through > front ? 1 - front / through : real(0);
        const real smooth = limited(f.own[l], f.upstream[l]);
        const real k = smooth + cut * (compressed(f.own[l], f.upstream[l]) - smooth);
        mixed[l] = f.geometric[l] > 0 ? through * blend * larger(1 - courant, 0) * k - spread
                                      : real(0);
    }
}
