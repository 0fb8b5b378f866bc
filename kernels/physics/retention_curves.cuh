// Retention curves of one voxel; twin of ekm3d/retention_curves.py, which has the equations.

// Parameters of a voxel, in the order of PARAMETERS; models: 0 none, 1 van Genuchten, 2 Gardner,
// 3 Brooks-Corey.
struct Curve {
    real model, alpha, n, residual, saturated, connectivity, air_entry, alpha_2, n_2, share_2,
        full_saturation, full_bracket;
};

INLINE Curve curve_at(const real* curve, Offset here, Offset volume)
{
    const real* p = curve + here;
    return {p[0], p[volume], p[2 * volume], p[3 * volume], p[4 * volume], p[5 * volume],
            p[6 * volume], p[7 * volume], p[8 * volume], p[9 * volume], p[10 * volume],
            p[11 * volume]};
}

INLINE bool same_shape(const Curve& a, const Curve& b)
{
    return a.model == b.model && a.alpha == b.alpha && a.n == b.n
        && a.connectivity == b.connectivity && a.air_entry == b.air_entry
        && a.alpha_2 == b.alpha_2 && a.n_2 == b.n_2 && a.share_2 == b.share_2;
}

// Suction up to which the rock stays full                                                  [m]
INLINE real entry_of(const Curve& c) { return c.model == 3 ? 1 / c.alpha : c.air_entry; }

// exp and log of curves. On the host they take half the time of those of functions.cuh, whose bits
// others keep: fused, and with sums of pairs, so that few operations wait for one another.
#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
INLINE real swift_exponential(real x) { return exp(x); }
INLINE real swift_logarithm(real x) { return log(x); }
#else
INLINE real swift_exponential(real x)
{
    const real y = larger(smaller(x, 709), -708);
    const real whole = fused(y, real(1.4426950408889634074), SHIFT), n = whole - SHIFT;
    const real r = fused(n, real(-1.42860682030941723212e-6),
                         fused(n, real(-6.93145751953125e-1), y));
    const real r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    const real c0 = 1 + r, c2 = fused(real(0.16666666666666666), r, real(0.5)),
        c4 = fused(real(8.333333333333333e-3), r, real(4.1666666666666664e-2)),
        c6 = fused(real(1.984126984126984e-4), r, real(1.3888888888888889e-3)),
        c8 = fused(real(2.7557319223985893e-6), r, real(2.48015873015873e-5)),
        c10 = fused(real(2.505210838544172e-8), r, real(2.755731922398589e-7)),
        c12 = fused(real(1.6059043836821613e-10), r, real(2.08767569878681e-9));
    const real d0 = fused(c2, r2, c0), d4 = fused(c6, r2, c4), d8 = fused(c10, r2, c8);
    const real sum = fused(fused(c12, r4, d8), r8, fused(d4, r4, d0));
    return x < -708 ? real(0) : sum * two_to(whole);
}

INLINE real swift_logarithm(real x)
{
    const auto [m, n] = split(x);
    const real s = (m - 1) / (m + 1), q = s * s, q2 = q * q, q4 = q2 * q2, q8 = q4 * q4;
    const real c1 = fused(q, real(1) / 5, real(1) / 3), c3 = fused(q, real(1) / 9, real(1) / 7),
        c5 = fused(q, real(1) / 13, real(1) / 11), c7 = fused(q, real(1) / 17, real(1) / 15),
        c9 = fused(q, real(1) / 21, real(1) / 19);
    const real d1 = fused(c3, q2, c1), d5 = fused(c7, q2, c5);
    const real sum = q * fused(c9, q8, fused(d5, q4, d1)), twice = 2 * s;
    return fused(n, real(6.93147180369123816490e-1),
                 fused(twice, sum, n * real(1.90821492927058770002e-10)) + twice);
}
#endif

// Effective saturation, its slope over psi [1/m], K_r, and its slope, of one mode of van Genuchten.
struct Wetness {
    real saturation, slope, relative, relative_slope;
};

// One mode of van Genuchten; slope: s dS/ds, relative: the bracket; log_saturation: ln S;
// drains, fall: -s d ln S/ds, -s d ln(bracket)/ds.
struct Mode {
    real saturation, slope, relative, log_saturation, drains, fall;
};

INLINE Mode mode_of(real s, real alpha, real n)
{
    const real m = 1 - 1 / n;
    const real log_x = smaller(n * swift_logarithm(alpha * s), LARGEST_EXPONENT);
    const real x = swift_exponential(log_x), log_sum = swift_logarithm(1 + x), u = 1 / (1 + x);
    const real log_saturation = -m * log_sum, saturation = swift_exponential(log_saturation);
    real series = 1;                    // no branch: loops over voxels stay vectors
    EKM_UNROLL for (int k = SERIES_TERMS; k > 1; k--)
        series = fused((k - 1 - m) * (real(1) / k) * u, series, real(1));
    const real far = m * u * series, near = 1 - swift_exponential(m * (log_x - log_sum));
    const real bracket = u < real(SMALL_SHARE) ? far : near, drains = m * n * (x * u);
    return {saturation, -drains * saturation, bracket, log_saturation, drains,
            m * n * u * (1 - bracket) / bracket};
}

INLINE Mode modes_of(real s, const Curve& c)
{
    const Mode one = mode_of(s, c.alpha, c.n);
    if (!(c.share_2 > 0))
        return one;
    const Mode two = mode_of(s, c.alpha_2, c.n_2);
    const real w = c.share_2, weight = (1 - w) * c.alpha + w * c.alpha_2;
    const real saturation = (1 - w) * one.saturation + w * two.saturation;
    return {saturation, (1 - w) * one.slope + w * two.slope,
            ((1 - w) * c.alpha * one.relative + w * c.alpha_2 * two.relative) / weight,
            swift_logarithm(saturation), 0, 0};
}

// K_r of a mode: S^l times the square of the bracket, over their values at the air-entry value.
INLINE real relative_of(const Mode& w, real connectivity, real full_bracket)
{
    const real bracket = w.relative / full_bracket;
    return swift_exponential(connectivity * w.log_saturation) * bracket * bracket;
}

INLINE real relative_of(real s, real alpha, real n, real connectivity, real full_bracket)
{
    return relative_of(mode_of(s, alpha, n), connectivity, full_bracket);
}

INLINE Wetness in_order(const Mode& w, const Curve& c, real s)
{
    const real relative = relative_of(w, c.connectivity, c.full_bracket);
    const real per_full = 1 / c.full_saturation, per_suction = 1 / s;
    return {w.saturation * per_full, -(w.slope * per_full) * per_suction, relative,
            relative * (2 * w.fall + c.connectivity * w.drains) * per_suction};
}

// The same as `wetness` for one mode of van Genuchten and for no pores, without a branch.
INLINE Wetness usual_wetness(real pressure_head, const Curve& c)
{
    const real pores = c.model > 0 ? real(1) : real(0), s = -pressure_head;
    const bool full = s <= c.air_entry, fringe = full && s > 0;
    const real alpha = pores > 0 ? c.alpha : real(1);
    const real at = fringe ? c.air_entry : full ? 1 / alpha : s;
    const Wetness w = in_order(mode_of(at, alpha, pores > 0 ? c.n : real(2)), c, at);
    const real drains = fringe ? real(FRINGE) : full ? real(0) : real(1);
    return {full ? pores : pores * w.saturation, drains * pores * w.slope,
            full ? pores : pores * w.relative, full ? real(0) : pores * w.relative_slope};
}

// S_e, dS_e/dpsi and K_r at a pressure head; 0 for the slope of K_r.
INLINE Wetness wetness(real pressure_head, const Curve& c)
{
    if (c.model == 0)
        return {0, 0, 0, 0};
    const real entry = entry_of(c), s = larger(-pressure_head, entry);
    if (!(pressure_head < 0))
        return {1, 0, 1, 0};
    Wetness w;
    if (c.model == 2) {
        const real exponent = c.alpha * s, near = smaller(exponent, real(DRIEST_GARDNER));
        const real saturation = swift_exponential(-near) * (near / exponent);
        w = {saturation, (exponent > near ? 1 / s : c.alpha) * saturation, saturation, 0};
    } else if (c.model == 3) {
        const real log_s = swift_logarithm(c.alpha * s);
        const real saturation = swift_exponential(-c.n * log_s);
        w = {saturation, c.n * saturation / s,
             swift_exponential(-(c.n * (c.connectivity + 2) + 2) * log_s), 0};
    } else
        w = in_order(modes_of(s, c), c, s);
    if (-pressure_head <= entry)            // the fringe
        w.saturation = w.relative = 1, w.slope *= real(FRINGE);
    w.relative_slope = 0;
    return w;
}
