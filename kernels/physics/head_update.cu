// Update of pressure heads, limited by the content; twin of ekm3d/physics/head_update.py.
// needs functions.cuh
// needs physics/retention_curves.cuh

// Suction of a saturation, of one mode and not below the air-entry value                  [m]
INLINE real suction_of_mode(real saturation, real alpha, real n, real entry, real full_saturation)
{
    const real log_s = swift_logarithm(larger(saturation, real(1e-300)));
    const real log_x = (log_s + swift_logarithm(full_saturation))
                     * (n / (1 - n));
    const real x = larger(swift_exponential(smaller(log_x, LARGEST_EXPONENT)) - 1, 0);
    const real s = swift_exponential(swift_logarithm(larger(x, real(1e-300))) / n) / alpha;
    return larger(x > 0 ? s : real(0), entry);
}

// The same of Gardner's curve, and of Brooks and Corey's.
INLINE real suction(real saturation, const Curve& c)
{
    const real log_s = swift_logarithm(larger(saturation, real(1e-300)));
    const real s = c.model == 2 ? -log_s / c.alpha : swift_exponential(-log_s / c.n) / c.alpha;
    return larger(s, entry_of(c));
}

// Pressure head of a saturation between psi and `direct`, or near its end, by halving ln s [m]
INLINE real halved(real psi, real direct, real saturation, const Curve& c)
{
    real start = swift_logarithm(-psi);
    real end = swift_logarithm(larger(larger(-direct, c.air_entry), -real(LEAST_RATIO) * psi));
    for (int n = 0; n < HALVINGS; n++) {
        const real middle = (start + end) / 2;
        const bool below = wetness(-swift_exponential(middle), c).saturation < saturation;
        const bool reached = below == (direct < psi);
        start = reached ? start : middle, end = reached ? middle : end;
    }
    return -swift_exponential(end);
}

// Content after an increment on a straight line; of that above the residual one DRY_SHARE is left
INLINE real wanted_content(real theta, real capacity, real delta, real residual)
{
    return larger(theta + capacity * delta, residual + real(DRY_SHARE) * (theta - residual));
}

// Pressure head after a change of one where pores are not full                            [m]
struct Update {
    real psi, delta, wanted, relative;
};

INLINE bool bends(real psi, real delta) { return larger(delta, -delta) > -real(BEND) * psi; }

INLINE real drier(real psi) { return smaller(larger(real(FARTHEST) * psi, real(DRIEST)), psi); }

INLINE real updated(const Update& u, real full, real by_content)
{
    const real direct = larger(u.psi + u.delta, drier(u.psi));
    const real away = larger(by_content - u.psi, u.psi - by_content);
    const real near = away < larger(direct - u.psi, u.psi - direct) ? by_content : direct;
    const real left = larger(u.delta * u.relative + u.psi / 2 * (1 + u.relative), 0);
    return u.wanted < full ? (bends(u.psi, u.delta) ? near : direct) : direct > 0 ? left : direct;
}

// The same of a curve that is not of one mode of van Genuchten.
ROUTINE real updated(const Update& u, const Curve& c)
{
    real by_content = u.psi;
    if (u.wanted < c.saturated && bends(u.psi, u.delta)) {
        const real saturation = (u.wanted - c.residual) / (c.saturated - c.residual);
        by_content = c.share_2 > 0
            ? halved(u.psi, larger(u.psi + u.delta, drier(u.psi)), saturation, c)
            : -suction(saturation, c);
    }
    return updated(u, c.saturated, by_content);
}

// Pressure heads after the change of an iteration                                         [m]
KERNEL update_heads(Grid g, const real* __restrict__ change,
                    const real* __restrict__ pressure_head, const real* __restrict__ content,
                    const real* __restrict__ capacity,
                    const real* __restrict__ relative_conductivity,
                    const real* __restrict__ EACH(12) curve, const real* __restrict__ drained,
                    real* __restrict__ updated_head)
{
    const Offset all = volume(g);
    EKM_TILES(t, g) {
        for (int k = t.k; k < t.k + t.nk; k++)
            for (int j = t.j; j < t.j + t.nj; j++) {
                const Offset first = at(t.i, j, k, g);
                const real *p = curve + first, *delta = change + first, *theta = content + first,
                    *c = capacity + first, *relative = relative_conductivity + first,
                    *low = drained + first, *psi = pressure_head + first;
                real* out = updated_head + first;
                int bent = 0, others = 0;
                EKM_ENTRIES(l, t.ni) {
                    const real direct = psi[l] + delta[l];
                    const bool full = !(psi[l] < -p[6 * all + l]);
                    out[l] = p[l] > 0 && full && direct < low[l] ? smaller(psi[l], low[l]) : direct;
                    bent |= !full && (bends(psi[l], delta[l]) || direct > 0);
                    others |= p[l] > 1 || p[9 * all + l] > 0;
                }
                Lanes found;
                if (bent) {
                    EKM_LANES(l, t.ni) {
                        const real residual = p[3 * all + l], full = p[4 * all + l];
                        const real wanted = wanted_content(theta[l], c[l], delta[l], residual);
                        const bool mine = p[l] == 1 && psi[l] < -p[6 * all + l];
                        const real share = (wanted - residual) / (full - residual);
                        const real by_content = -suction_of_mode(
                            mine && share < 1 ? share : real(1), mine ? p[all + l] : real(1),
                            mine ? p[2 * all + l] : real(2), p[6 * all + l], p[10 * all + l]);
                        const real next = updated({psi[l], delta[l], wanted, relative[l]}, full,
                                                  by_content);
                        found[l] = mine ? next : out[l];
                    }
                    EKM_ENTRIES(l, t.ni)
                        out[l] = found[l];
                }
                if (others)
                    EKM_ENTRIES(l, t.ni) {
                        const Curve own = curve_at(p, l, all);
                        const real direct = psi[l] + delta[l];
                        const real wanted = wanted_content(theta[l], c[l], delta[l], own.residual);
                        if (own.model > 1 || own.share_2 > 0)
                            out[l] = psi[l] < -entry_of(own)
                                ? updated({psi[l], delta[l], wanted, relative[l]}, own)
                                : direct < low[l] ? smaller(psi[l], low[l]) : direct;
                    }
            }
    }
}
