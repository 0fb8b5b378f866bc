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

// Effective saturation, its slope over psi [1/m], and K_r.
struct Wetness {
    real saturation, slope, relative;
};

// One mode of van Genuchten; slope: s dS/ds, relative: the bracket; log_saturation: ln S.
struct Mode {
    real saturation, slope, relative, log_saturation;
};

INLINE Mode mode_of(real s, real alpha, real n)
{
    const real m = 1 - 1 / n;
    const real log_x = smaller(n * logarithm(alpha * s), LARGEST_EXPONENT);
    const real x = exponential(log_x), log_sum = logarithm(1 + x), u = 1 / (1 + x);
    const real log_saturation = -m * log_sum, saturation = exponential(log_saturation);
    real series = 1;                    // no branch: loops over voxels stay vectors
    EKM_UNROLL for (int k = SERIES_TERMS; k > 1; k--)
        series = 1 + (k - 1 - m) * (real(1) / k) * u * series;
    const real far = m * u * series, near = 1 - exponential(m * (log_x - log_sum));
    return {saturation, -m * n * (x * u) * saturation, u < real(SMALL_SHARE) ? far : near,
            log_saturation};
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
            logarithm(saturation)};
}

// K_r of a mode: S^l times the square of the bracket, over their values at the air-entry value.
INLINE real relative_of(const Mode& w, real connectivity, real full_bracket)
{
    const real bracket = w.relative / full_bracket;
    return exponential(connectivity * w.log_saturation) * bracket * bracket;
}

INLINE real relative_of(real s, real alpha, real n, real connectivity, real full_bracket)
{
    return relative_of(mode_of(s, alpha, n), connectivity, full_bracket);
}

INLINE Wetness in_order(const Mode& w, const Curve& c, real s)
{
    return {w.saturation / c.full_saturation, -(w.slope / c.full_saturation) / s,
            relative_of(w, c.connectivity, c.full_bracket)};
}

// The same as `wetness` for one mode of van Genuchten and for no pores, without a branch.
INLINE Wetness usual_wetness(real pressure_head, const Curve& c)
{
    const real pores = c.model > 0 ? real(1) : real(0), s = -pressure_head;
    const bool full = s <= c.air_entry, fringe = full && s > 0;
    const real alpha = pores > 0 ? c.alpha : real(1);
    const real at = fringe ? c.air_entry : full ? 1 / alpha : s;
    const Wetness w = in_order(mode_of(at, alpha, pores > 0 ? c.n : real(2)), c, at);
    return {full ? pores : pores * w.saturation, full && !fringe ? real(0) : pores * w.slope,
            full ? pores : pores * w.relative};
}

// S_e, dS_e/dpsi and K_r at a pressure head.
INLINE Wetness wetness(real pressure_head, const Curve& c)
{
    if (c.model == 0)
        return {0, 0, 0};
    const real entry = entry_of(c), s = larger(-pressure_head, entry);
    if (!(pressure_head < 0))
        return {1, 0, 1};
    Wetness w;
    if (c.model == 2) {
        const real saturation = exponential(-c.alpha * s);
        w = {saturation, c.alpha * saturation, saturation};
    } else if (c.model == 3) {
        const real log_s = logarithm(c.alpha * s), saturation = exponential(-c.n * log_s);
        w = {saturation, c.n * saturation / s,
             exponential(-(c.n * (c.connectivity + 2) + 2) * log_s)};
    } else
        w = in_order(modes_of(s, c), c, s);
    if (-pressure_head <= entry)            // the fringe
        w.saturation = w.relative = 1;
    return w;
}
