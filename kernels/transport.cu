// Fluxes of all components and what voxels gain by them; twin of ekm3d/transport.py.
// needs blending.cuh

// The fields that fluxes depend on, and what is the same on all faces.
struct Fields {
    const real *c, *mobility, *phi, *lag, *turnover;
    const Flag* safe;
    const real *water, *dispersivity, *z, *diffusion, *nu;
    real blend, highest, quickest;          // largest |z|, largest D
};

INLINE Fields extremes(Fields s)
{
    for (int n = 0; n < NS; n++) {
        s.highest = larger(s.highest, magnitude(s.z[n]));
        s.quickest = larger(s.quickest, s.diffusion[n]);
    }
    return s;
}

// Flux of one species but for `mix`, and its differences                    [mol/s, mol/m3]
// drop: G (phi_a - phi_b)                                                             [V m]
template <Drift drift, bool wet>
ROUTINE void species_flux(Strip& f, const real* drop, const real* c, real z, real d, real blend,
                          real* moved, real* change)
{
    const real inverse_z = drift == NONE ? real(0) : 1 / magnitude(z), pull = d * F_RT * z;
    EKM_LANES(l, f.faces) {
        const real* at = c + f.here + l;
        const Differences diff = differences(f, at, l);
        real flux = -d * f.geometric[l] * diff.own;
        if (drift != NONE)
            flux += pull * drop[l] * migrating<drift>(f, at, diff, l, z, inverse_z, d, blend);
        if (wet) {
            flux += f.flow[l] * (f.flow[l] > 0 ? at[0] : at[f.step]);
            steepest(f, diff, l);
            change[l] = diff.own;
        }
        moved[l] = flux;
    }
}

template <bool wet>
INLINE void species_flux(Strip& f, const Fields& s, const real* drop, const real* c, int n,
                         real* moved, real* change)
{
    const real z = s.z[n], d = s.diffusion[n];
    if (z == 0)
        species_flux<NONE, wet>(f, drop, c, z, d, s.blend, moved, change);
    else if (f.drift == CENTRAL)
        species_flux<CENTRAL, wet>(f, drop, c, z, d, s.blend, moved, change);
    else if (f.drift == LIMITED)
        species_flux<LIMITED, wet>(f, drop, c, z, d, s.blend, moved, change);
    else
        species_flux<DOUBTFUL, wet>(f, drop, c, z, d, s.blend, moved, change);
}

// Adds what a species brings to the components that it consists of.
ROUTINE void compose(const real* nu, const real* moved, int count, Lanes* sum)
{
    for (int m = 0; m < NK; m++) {
        const real share = nu[m];
        if (share != 0)
            EKM_LANES(l, count) sum[m][l] += share * moved[l];
    }
}

// Flux of all components through faces of axis 0, 1, 2 = z, y, x, from the one above `here` on
// along x, up the axis                                                              [mol/s]
ROUTINE void strip_flux(const Fields& s, const Grid& g, int axis, Offset here, int faces,
                        Lanes* sum)
{
    const Offset side = axis * volume(g);
    Strip f;
    Lanes drop, moved, change, mixed, changes[NK];
    open_strip(f, g, axis, here, faces, s.mobility);
    drift_strip(f, s.lag, s.turnover, s.safe + side, s.highest);
    water_strip(f, s.water + side);
    EKM_LANES(l, faces) drop[l] = f.geometric[l] * (s.phi[here + l] - s.phi[here + l + f.step]);
    for (int m = 0; m < NK; m++)
        EKM_LANES(l, faces) sum[m][l] = changes[m][l] = 0;
    const real* c = s.c;
    for (int n = 0; n < NS; n++, c += volume(g)) {
        if (f.wet) {
            species_flux<true>(f, s, drop, c, n, moved, change);
            compose(s.nu + n * NK, change, faces, changes);
        } else
            species_flux<false>(f, s, drop, c, n, moved, change);
        compose(s.nu + n * NK, moved, faces, sum);
    }
    if (f.wet) {
        mix(f, s.dispersivity, s.turnover, spacing(g, axis), s.quickest, s.blend, mixed);
        for (int m = 0; m < NK; m++)
            EKM_LANES(l, faces) sum[m][l] += mixed[l] * changes[m][l];
    }
}

INLINE void store(real* out, const real* values, int count)
{
    for (int l = 0; l < count; l++)
        out[l] = values[l];
}

// Fluxes are stored with the voxel below the face; null: nobody asks for them. On the host every
// face inside a tile is looked at once.
template <bool keep>
INLINE void advance(const Grid& g, const Fields& s, real* flux, real* gained)
{
    const Offset all = volume(g);
    EKM_TILES(t, g) {
        Lanes x[NK], y[NK], z[NK], below_y[NK], below_z[STRIPS][NK], net;
        for (int k = t.k; k < t.k + t.nk; k++)
            for (int j = t.j; j < t.j + t.nj; j++) {
                const Offset here = at(t.i, j, k, g);
                Lanes* under = below_z[j - t.j];
                if (k == t.k)
                    strip_flux(s, g, 0, here - layer(g), t.ni, under);
                if (j == t.j)
                    strip_flux(s, g, 1, here - row(g), t.ni, below_y);
                strip_flux(s, g, 0, here, t.ni, z);
                strip_flux(s, g, 1, here, t.ni, y);
                strip_flux(s, g, 2, here - 1, t.ni + 1, x);
                for (int m = 0; m < NK; m++) {
                    if (keep) {
                        real* out = flux + m * all + here;
                        if (k == 0)
                            store(out - layer(g), under[m], t.ni);
                        store(out, z[m], t.ni);
                        if (j == 0)
                            store(out + NK * all - row(g), below_y[m], t.ni);
                        store(out + NK * all, y[m], t.ni);
                        const int border = t.i == 0;
                        store(out + 2 * NK * all - border, x[m] + 1 - border, t.ni + border);
                    }
                    EKM_LANES(l, t.ni) {
                        net[l] = x[m][l] - x[m][l + 1] + below_y[m][l] - y[m][l] + under[m][l]
                               - z[m][l];
                        below_y[m][l] = y[m][l];
                        under[m][l] = z[m][l];
                    }
                    store(gained + m * all + here, net, t.ni);
                }
            }
    }
}

KERNEL component_flux(Grid g, const real* __restrict__ EACH(NS) c,
                      const real* __restrict__ mobility, const real* __restrict__ phi,
                      const real* __restrict__ lag, const real* __restrict__ turnover,
                      const Flag* __restrict__ EACH(3) safe, const real* __restrict__ EACH(3) water,
                      const real* __restrict__ dispersivity, const real z[NS],
                      const real diffusion[NS], const real nu[NS][NK], real blend,
                      real* __restrict__ EACH(3) EACH(NK) flux, real* __restrict__ EACH(NK) gained)
{
    const Fields s = {c, mobility, phi, lag, turnover, safe, water, dispersivity, z, diffusion,
                      nu[0], blend, 0, 0};
    advance<true>(g, extremes(s), flux, gained);
}

KERNEL component_gain(Grid g, const real* __restrict__ EACH(NS) c,
                      const real* __restrict__ mobility, const real* __restrict__ phi,
                      const real* __restrict__ lag, const real* __restrict__ turnover,
                      const Flag* __restrict__ EACH(3) safe, const real* __restrict__ EACH(3) water,
                      const real* __restrict__ dispersivity, const real z[NS],
                      const real diffusion[NS], const real nu[NS][NK], real blend,
                      real* __restrict__ EACH(NK) gained)
{
    const Fields s = {c, mobility, phi, lag, turnover, safe, water, dispersivity, z, diffusion,
                      nu[0], blend, 0, 0};
    advance<false>(g, extremes(s), nullptr, gained);
}

// What can leave a voxel: per D, by water, per D |z| of cations and of anions.
KERNEL leaving(Grid g, const real* __restrict__ mobility, const real* __restrict__ phi,
               const real* __restrict__ EACH(3) water, const real* __restrict__ dispersivity,
               real* __restrict__ still, real* __restrict__ swept, real* __restrict__ plus,
               real* __restrict__ minus)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        real conductance = 0, moved = 0, cations = 0, anions = 0;
        for (int axis = 0; axis < 3; axis++)
            for (int sign = -1; sign <= 1; sign += 2) {
                const Offset step = stride(g, axis), beyond = here + sign * step;
                const Offset face = axis * volume(g) + (sign > 0 ? here : beyond);
                const real geometric = series(mobility[here], mobility[beyond], shape(g, axis));
                const real drift = geometric * F_RT * (phi[here] - phi[beyond]);
                const real spread = (dispersivity[here] + dispersivity[beyond]) / 2
                                  * magnitude(water[face]) / spacing(g, axis);
                conductance += geometric;
                moved += 2 * larger(sign * water[face], 0) + spread;
                cations += 2 * larger(drift, 0);
                anions += 2 * larger(-drift, 0);
            }
        still[here] = conductance;
        swept[here] = moved;
        plus[here] = cations;
        minus[here] = anions;
    }
}

// The rate at which the fastest species could empty a voxel                         [1/s]
KERNEL emptying(Grid g, const real* __restrict__ still, const real* __restrict__ swept,
                const real* __restrict__ plus, const real* __restrict__ minus,
                const real* __restrict__ pores, const real fastest[NF][3],
                real* __restrict__ rate)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        real most = 0;
        for (int n = 0; n < NF; n++)
            most = larger(most, fastest[n][0] * still[here] + fastest[n][1] * plus[here]
                              + fastest[n][2] * minus[here] + swept[here]);
        rate[here] = pores[here] > 0 ? most / pores[here] : real(0);
    }
}
