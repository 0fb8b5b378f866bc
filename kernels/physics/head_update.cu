// Update of pressure heads, limited by the content; twin of ekm3d/physics/head_update.py.
// needs physics/retention_curves.cuh

// Suction of a saturation, of one mode and not below the air-entry value                  [m]
INLINE real suction_of_mode(real saturation, const Curve& c)
{
    const real log_x = (swift_logarithm(saturation) + swift_logarithm(c.full_saturation))
                     * (c.n / (1 - c.n));
    const real x = larger(swift_exponential(smaller(log_x, LARGEST_EXPONENT)) - 1, 0);
    const real s = x > 0 ? swift_exponential(swift_logarithm(x) / c.n) / c.alpha : real(0);
    return larger(s, c.air_entry);
}

INLINE real suction(real saturation, const Curve& c)
{
    if (c.model == 1)
        return suction_of_mode(saturation, c);
    const real log_s = swift_logarithm(saturation);
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

struct Update {
    real psi, delta, wanted, relative, drained;
};

// Pressure head after an update; by_content: that at the content which is wanted          [m]
INLINE real updated(const Update& u, const Curve& c, real entry, real by_content)
{
    const bool pores = c.model > 0, dry = pores && u.psi < -entry, holds = u.wanted < c.saturated;
    const real floor = smaller(larger(real(FARTHEST) * u.psi, real(DRIEST)), u.psi);
    const real plain = u.psi + u.delta, direct = dry ? larger(plain, floor) : plain;
    const real away = by_content > u.psi ? by_content - u.psi : u.psi - by_content;
    const real nearer = away < (direct < u.psi ? u.psi - direct : direct - u.psi) ? by_content : direct;
    const real left = larger(u.delta * u.relative + u.psi / 2 * (1 + u.relative), 0);
    const real filled = direct > 0 ? left : direct;
    const real drains = pores && direct < u.drained ? smaller(u.psi, u.drained) : direct;
    return dry ? (holds ? nearer : filled) : drains;
}

// Pressure heads after the change of an iteration                                          [m]
KERNEL update_heads(Grid g, const real* __restrict__ change, const real* __restrict__ content,
                    const real* __restrict__ capacity,
                    const real* __restrict__ relative_conductivity,
                    const real* __restrict__ EACH(12) curve, const real* __restrict__ drained,
                    real* __restrict__ pressure_head)
{
    const Offset all = volume(g);
    EKM_TILES(t, g) {
        for (int k = t.k; k < t.k + t.nk; k++)
            for (int j = t.j; j < t.j + t.nj; j++) {
                const Offset first = at(t.i, j, k, g);
                const real* p = curve + first;
                int dry = 0, others = 0;
                Lanes by_content;
                EKM_ENTRIES(l, t.ni) {
                    dry |= p[l] > 0 && pressure_head[first + l] < 0;
                    others |= p[l] > 1 || p[9 * all + l] > 0;
                }
                if (dry)
                    EKM_LANES(l, t.ni) {
                        const Curve c = curve_at(p, l, all);
                        const real theta = content[first + l];
                        const real wanted = larger(
                            theta + capacity[first + l] * change[first + l],
                            c.residual + real(DRY_SHARE) * (theta - c.residual));
                        const bool mine = c.model == 1 && wanted < c.saturated;
                        const real width = mine ? c.saturated - c.residual : real(1);
                        const Curve safe = {1, mine ? c.alpha : real(1), mine ? c.n : real(2), 0, 1,
                            c.connectivity, c.air_entry, 0, 0, 0, c.full_saturation, 1};
                        by_content[l] = -suction_of_mode(
                            mine ? (wanted - c.residual) / width : real(1), safe);
                    }
                EKM_ENTRIES(l, t.ni) {
                    const Offset here = first + l;
                    const Curve c = curve_at(p, l, all);
                    const real theta = content[here], psi = pressure_head[here];
                    const real wanted = larger(theta + capacity[here] * change[here],
                                               c.residual + real(DRY_SHARE) * (theta - c.residual));
                    const Update u = {psi, change[here], wanted, relative_conductivity[here],
                                      drained[here]};
                    const real entry = c.model > 0 ? entry_of(c) : real(0);
                    real own = dry ? by_content[l] : real(0);
                    if (others && c.model > 0 && psi < -entry && wanted < c.saturated) {
                        const real saturation = (wanted - c.residual) / (c.saturated - c.residual);
                        if (c.share_2 > 0)
                            own = halved(psi, larger(psi + change[here], real(FARTHEST) * psi), saturation, c);
                        else if (c.model > 1)
                            own = suction(saturation, c) * -1;
                    }
                    pressure_head[here] = updated(u, c, entry, own);
                }
            }
    }
}
