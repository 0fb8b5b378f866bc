// Retention curves of one voxel; twin of ekm3d/retention_curves.py, which has the equations.

// Parameters of a voxel, in the order of PARAMETERS; models: 0 none, 1 van Genuchten, 2 Gardner,
// 3 Brooks-Corey.
struct Curve {
    real model, alpha, n, residual, saturated, connectivity, air_entry, alpha_2, n_2, share_2;
};

INLINE Curve curve_at(const real* curve, Offset here, Offset volume)
{
    const real* p = curve + here;
    return {p[0], p[volume], p[2 * volume], p[3 * volume], p[4 * volume], p[5 * volume],
            p[6 * volume], p[7 * volume], p[8 * volume], p[9 * volume]};
}

INLINE bool same_shape(const Curve& a, const Curve& b)
{
    return a.model == b.model && a.alpha == b.alpha && a.n == b.n
        && a.connectivity == b.connectivity && a.air_entry == b.air_entry
        && a.alpha_2 == b.alpha_2 && a.n_2 == b.n_2 && a.share_2 == b.share_2;
}

// Suction up to which the rock stays full                                                  [m]
INLINE real entry_of(const Curve& c) { return c.model == 3 ? 1 / c.alpha : c.air_entry; }

// Effective saturation, its slope over psi [1/m], and the bracket of Mualem's model, or K_r.
struct Wetness {
    real saturation, slope, relative;
};

INLINE real power(real x, real exponent) { return exponential(exponent * logarithm(x)); }

// One mode of van Genuchten; slope: s dS/ds, relative: the bracket.
INLINE Wetness mode_of(real s, real alpha, real n)
{
    const real m = 1 - 1 / n;
    const real log_x = smaller(n * logarithm(alpha * s), LARGEST_EXPONENT);
    const real x = exponential(log_x), log_sum = logarithm(1 + x), u = 1 / (1 + x);
    const real saturation = exponential(-m * log_sum);
    real bracket;
    if (u < real(SMALL_SHARE)) {
        real series = 1;
        for (int k = SERIES_TERMS; k > 1; k--)
            series = 1 + (k - 1 - m) / k * u * series;
        bracket = m * u * series;
    } else
        bracket = 1 - exponential(m * (log_x - log_sum));
    return {saturation, -m * n * (x * u) * saturation, bracket};
}

INLINE Wetness modes_of(real s, const Curve& c)
{
    const Wetness one = mode_of(s, c.alpha, c.n);
    if (!(c.share_2 > 0))
        return one;
    const Wetness two = mode_of(s, c.alpha_2, c.n_2);
    const real w = c.share_2, weight = (1 - w) * c.alpha + w * c.alpha_2;
    return {(1 - w) * one.saturation + w * two.saturation, (1 - w) * one.slope + w * two.slope,
            ((1 - w) * c.alpha * one.relative + w * c.alpha_2 * two.relative) / weight};
}

// S_e, dS_e/dpsi and K_r at a pressure head.
INLINE Wetness wetness(real pressure_head, const Curve& c)
{
    if (c.model == 0)
        return {0, 0, 0};
    const real s = -pressure_head;
    if (s <= entry_of(c))
        return {1, 0, 1};
    if (c.model == 2) {
        const real saturation = exponential(-c.alpha * s);
        return {saturation, c.alpha * saturation, saturation};
    }
    if (c.model == 3) {
        const real log_s = logarithm(c.alpha * s), saturation = exponential(-c.n * log_s);
        return {saturation, c.n * saturation / s,
                exponential(-(c.n * (c.connectivity + 2) + 2) * log_s)};
    }
    Wetness w = modes_of(s, c);
    if (c.air_entry > 0) {
        const Wetness there = modes_of(c.air_entry, c);
        w = {w.saturation / there.saturation, w.slope / there.saturation,
             w.relative / there.relative};
    }
    const real relative = exponential(c.connectivity * logarithm(w.saturation)) * w.relative
                        * w.relative;
    return {w.saturation, -w.slope / s, relative};
}
