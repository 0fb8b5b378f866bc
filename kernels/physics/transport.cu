// Component fluxes across faces and the gain of voxels; twin of ekm3d/physics/transport.py.
// needs grid/faces.cuh
// needs physics/face_interpolation.cuh
// needs physics/component_shares.cuh

// Input fields of the fluxes, and constants of all faces.
struct Fields {
    const real *c, *transport_factor, *phi, *previous_phi, *pore_turnover;
    const Flag* use_smaller_side;
    const real *water, *dispersivity, *z, *diffusion;
    real blend, kept, highest, quickest;    // largest |z|, largest D
};

INLINE Fields extremes(Fields s)
{
    for (int n = 0; n < NS; n++) {
        s.highest = larger(s.highest, magnitude(s.z[n]));
        s.quickest = larger(s.quickest, s.diffusion[n]);
    }
    return s;
}

// Faces of axis 0, 1, 2 = z, y, x, from the one above `here` on along x.
struct Side {
    int axis;
    Strip f;
    Lanes drop;                             // G (F/RT) times the drop of the potential      [m]
    Lanes moved;                            // flux of one species up the axis          [mol/s]
    Lanes change, changes[NK];              // c_above - c_below: of it, of components [mol/m3]
};

INLINE void open_side(Side& side, const Fields& s, const Grid& g, int axis, Offset here, int faces,
                      bool wet)
{
    Strip& f = side.f;
    side.axis = axis;
    const real* factor = along_axis(s.transport_factor, axis, g);
    open_strip(f, g, axis, here, faces, factor);
    drift_strip(f, s.previous_phi, s.pore_turnover, s.use_smaller_side + axis * volume(g),
                s.highest);
    if (wet || f.drift != CENTRAL)
        neighbours(f, factor);
    if (wet)
        water_strip(f, s.water + axis * volume(g));
    const real* phi = s.phi + here;
    EKM_LANES(l, faces) side.drop[l] = F_RT * f.geometric[l] * (phi[l] - phi[l + f.step]);
}

// Flux of species `number` without the part that `mix` adds, and its differences.
template <Drift drift, bool wet>
ROUTINE void species_flux(Side& side, const real* c, const Ion n, int number)
{
    Strip& f = side.f;
    const View v = view(f, c, n);
    const real d = n.sign * n.d;
    EKM_LANES(l, f.faces) {
        const Slopes s = slopes<wet || drift >= LIMITED>(v, l);
        real flux = -f.geometric[l] * s.rise;
        if (drift != NONE)
            flux = fused(n.charge * side.drop[l], migrating<drift>(f, s, n, l), flux);
        if (wet) {
            side.change[l] = n.sign * s.rise;
            steepest(f, s, v, number, l);
            flux = fused(d, flux, fused(v.with[l], s.a, v.against[l] * s.b));
        } else
            flux *= d;
        side.moved[l] = flux;
    }
}

template <bool wet>
INLINE void species_flux(Side& side, const real* c, const Ion n, int number)
{
    if (n.charge == 0)
        species_flux<NONE, wet>(side, c, n, number);
    else if (side.f.drift == CENTRAL)
        species_flux<CENTRAL, wet>(side, c, n, number);
    else if (side.f.drift == LIMITED)
        species_flux<LIMITED, wet>(side, c, n, number);
    else
        species_flux<SMALLER_SIDE, wet>(side, c, n, number);
}

// Arguments of all tiles.
struct Task {
    Grid g;
    Fields s;
    const real* nu;
    real *flux, *gained;                    // flux is null where it is not kept
};

// Sets side.moved: flux of the n-th species, then the part that `mix` adds to each component.
template <bool wet>
INLINE void pass(Side& side, const Task& task, const Shares& shares, const Ion* ions, int n)
{
    const Fields& s = task.s;
    if (n < NS) {
        species_flux<wet>(side, s.c + n * volume(task.g), ions[n], n);
        if (wet)
            compose(shares, n, side.change, side.f.faces, side.changes);
        return;
    }
    if (n == NS)
        mix(side.f, s.dispersivity, s.pore_turnover, spacing(task.g, side.axis), s.quickest,
            s.blend, s.kept, side.change);
    EKM_LANES(l, side.f.faces) side.moved[l] = side.change[l] * side.changes[n - NS][l];
}

// Faces of the lower side of a tile, before the strip at `here`; fluxes are kept in `below`.
template <bool keep, bool wet>
INLINE void enter(Side& side, const Task& task, const Shares& shares, const Ion* ions, int axis,
                  Offset here, int count, bool border, Lanes* below)
{
    const Offset all = volume(task.g), face = here - stride(task.g, axis);
    open_side(side, task.s, task.g, axis, face, count, wet);
    for (int n = 0; n < (wet ? NS + NK : NS); n++) {
        pass<wet>(side, task, shares, ions, n);
        EKM_LANES(l, count) below[n][l] = side.moved[l];
        if (keep && border)
            compose(shares, n, side.moved, count, task.flux + axis * NK * all + face, all);
    }
}

// A tile strip by strip: each inner face is computed once, for all species in turn.
template <bool keep, bool wet>
ROUTINE void by_strips(const Tile& t, const Task& task, const Shares& shares, const Ion* ions)
{
    const Grid& g = task.g;
    const Offset all = volume(g);
    constexpr int COUNT = wet ? NS + NK : NS;
    Lanes south[COUNT], below[STRIPS][COUNT], net;
    Side x, y, z;
    for (int k = t.k; k < t.k + t.nk; k++)
        for (int j = t.j; j < t.j + t.nj; j++) {
            const Offset here = at(t.i, j, k, g);
            const Offset next = j + 1 < t.j + t.nj ? here + row(g) : at(t.i, t.j, k + 1, g);
            Lanes* under = below[j - t.j];
            const int border = t.i == 0;
            if (k == t.k)
                enter<keep, wet>(z, task, shares, ions, 0, here, t.ni, k == 0, under);
            if (j == t.j)
                enter<keep, wet>(y, task, shares, ions, 1, here, t.ni, j == 0, south);
            open_side(z, task.s, g, 0, here, t.ni, wet);
            open_side(y, task.s, g, 1, here, t.ni, wet);
            open_side(x, task.s, g, 2, here - 1, t.ni + 1, wet);
            for (int n = 0; n < COUNT; n++) {
                if (n < NS)
                    fetch(task.s.c + n * all + next + 2 * layer(g), t.ni);
                pass<wet>(z, task, shares, ions, n);
                pass<wet>(y, task, shares, ions, n);
                pass<wet>(x, task, shares, ions, n);
                EKM_LANES(l, t.ni) {
                    net[l] = (x.moved[l] - x.moved[l + 1]) + (south[n][l] - y.moved[l])
                           + (under[n][l] - z.moved[l]);
                    south[n][l] = y.moved[l];
                    under[n][l] = z.moved[l];
                }
                compose(shares, n, net, t.ni, task.gained + here, all);
                if (keep) {
                    real* flux = task.flux + here;
                    compose(shares, n, z.moved, t.ni, flux, all);
                    compose(shares, n, y.moved, t.ni, flux + NK * all, all);
                    compose(shares, n, x.moved + 1 - border, t.ni + border,
                            flux + 2 * NK * all - border, all);
                }
            }
        }
}

// sum += weight nu^T moved, of species n.
INLINE void add(const real* nu, int n, real weight, real moved, real* sum)
{
    EKM_UNROLL for (int m = 0; m < NK; m++) {
        const real share = nu[n * NK + m];
        if (share != 0)
            sum[m] = fused(weight * share, moved, sum[m]);
    }
}

// A single voxel, face by face: one GPU thread.
template <bool keep, bool wet>
INLINE void by_faces(const Tile& t, const Task& task)
{
    const Grid& g = task.g;
    const Fields& s = task.s;
    const Offset all = volume(g), here = at(t.i, t.j, t.k, g);
    real gain[NK] = {};
    for (int axis = 0; axis < 3; axis++)
        for (int way = 1; way >= -1; way -= 2) {
            Side side;
            real flux[NK] = {}, change[NK] = {};
            const Offset face = way > 0 ? here - stride(g, axis) : here;
            open_side(side, s, g, axis, face, 1, wet);
            for (int n = 0; n < NS; n++) {
                species_flux<wet>(side, s.c + n * all, ion(s.z[n], s.diffusion[n], s.blend), n);
                add(task.nu, n, 1, side.moved[0], flux);
                if (wet)
                    add(task.nu, n, 1, side.change[0], change);
            }
            if (wet)
                mix(side.f, s.dispersivity, s.pore_turnover, spacing(g, axis), s.quickest,
                    s.blend, s.kept, side.change);
            const bool mine = way < 0 || (axis == 0 ? t.k : axis == 1 ? t.j : t.i) == 0;
            for (int m = 0; m < NK; m++) {
                if (wet)
                    flux[m] = fused(side.change[0], change[m], flux[m]);
                gain[m] += way * flux[m];
                if (keep && mine)
                    task.flux[(axis * NK + m) * all + face] = flux[m];
            }
        }
    for (int m = 0; m < NK; m++)
        task.gained[m * all + here] = gain[m];
}

// True if water flows through any face of the tile.
INLINE bool wet_tile(const Tile& t, const Grid& g, const real* water)
{
    int wet = 0;
    for (int axis = 0; axis < 3; axis++)
        for (int k = t.k - (axis == 0); k < t.k + t.nk; k++)
            for (int j = t.j - (axis == 1); j < t.j + t.nj; j++) {
                const real* flow = water + axis * volume(g) + at(t.i, j, k, g);
                for (int l = -(axis == 2); l < t.ni; l++)
                    wet |= flow[l] != 0;
            }
    return wet;
}

// Fluxes are stored with the voxel below the face.
template <bool keep>
INLINE void advance(const Task& task)
{
    const Grid& g = task.g;
    if constexpr (LANES == 1) {
        EKM_TILES(t, g) {
            if (wet_tile(t, g, task.s.water))
                by_faces<keep, true>(t, task);
            else
                by_faces<keep, false>(t, task);
        }
    } else {
        const Shares shares = shares_of(task.nu);
        Ion ions[NS];
        for (int n = 0; n < NS; n++)
            ions[n] = ion(task.s.z[n], task.s.diffusion[n], task.s.blend);
        EKM_TILES(t, g) {
            if (wet_tile(t, g, task.s.water))
                by_strips<keep, true>(t, task, shares, ions);
            else
                by_strips<keep, false>(t, task, shares, ions);
        }
    }
}

KERNEL component_flux(Grid g, const real* __restrict__ EACH(NS) c,
                      const real* __restrict__ EACH(NT) transport_factor,
                      const real* __restrict__ phi,
                      const real* __restrict__ previous_phi, const real* __restrict__ pore_turnover,
                      const Flag* __restrict__ EACH(3) use_smaller_side,
                      const real* __restrict__ EACH(3) water,
                      const real* __restrict__ dispersivity, const real z[NS],
                      const real diffusion[NS], const real nu[NS][NK], real blend, real kept,
                      real* __restrict__ EACH(3) EACH(NK) flux, real* __restrict__ EACH(NK) gained)
{
    const Fields s = {c, transport_factor, phi, previous_phi, pore_turnover, use_smaller_side,
                      water, dispersivity, z, diffusion, blend, kept, 0, 0};
    advance<true>({g, extremes(s), nu[0], flux, gained});
}

KERNEL component_gain(Grid g, const real* __restrict__ EACH(NS) c,
                      const real* __restrict__ EACH(NT) transport_factor,
                      const real* __restrict__ phi,
                      const real* __restrict__ previous_phi, const real* __restrict__ pore_turnover,
                      const Flag* __restrict__ EACH(3) use_smaller_side,
                      const real* __restrict__ EACH(3) water,
                      const real* __restrict__ dispersivity, const real z[NS],
                      const real diffusion[NS], const real nu[NS][NK], real blend, real kept,
                      real* __restrict__ EACH(NK) gained)
{
    const Fields s = {c, transport_factor, phi, previous_phi, pore_turnover, use_smaller_side,
                      water, dispersivity, z, diffusion, blend, kept, 0, 0};
    advance<false>({g, extremes(s), nu[0], nullptr, gained});
}

// Outflow coefficients of a voxel, summed face by face.
struct Outflow {
    real diffusive, advective, cation_drift, anion_drift;
};

INLINE void add_face(Outflow& sum, const Grid& g, int axis, int sign, Offset here,
                     const real* transport_factor, const real* phi, const real* water,
                     const real* dispersivity)
{
    const Offset beyond = here + sign * stride(g, axis);
    const real flow = water[axis * volume(g) + (sign > 0 ? here : beyond)];
    const real* factor = along_axis(transport_factor, axis, g);
    const real geometric = series(factor[here], factor[beyond], shape(g, axis));
    const real drift = geometric * F_RT * (phi[here] - phi[beyond]);
    const real spread = (dispersivity[here] + dispersivity[beyond]) / 2 * magnitude(flow)
                      / spacing(g, axis);
    sum.diffusive += geometric;
    sum.advective += 2 * larger(sign * flow, 0) + spread;
    sum.cation_drift += 2 * larger(drift, 0);
    sum.anion_drift += 2 * larger(-drift, 0);
}

// Outflow coefficients of a voxel: per D; of water and dispersion; per D |z| of cations, anions.
KERNEL outflow_coefficients(Grid g, const real* __restrict__ EACH(NT) transport_factor,
                            const real* __restrict__ phi,
                            const real* __restrict__ EACH(3) water,
                            const real* __restrict__ dispersivity, real* __restrict__ diffusive,
                            real* __restrict__ advective, real* __restrict__ cation_drift,
                            real* __restrict__ anion_drift)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        Outflow sum = {0, 0, 0, 0};
        add_face(sum, g, 0, -1, here, transport_factor, phi, water, dispersivity);
        add_face(sum, g, 0, 1, here, transport_factor, phi, water, dispersivity);
        add_face(sum, g, 1, -1, here, transport_factor, phi, water, dispersivity);
        add_face(sum, g, 1, 1, here, transport_factor, phi, water, dispersivity);
        add_face(sum, g, 2, -1, here, transport_factor, phi, water, dispersivity);
        add_face(sum, g, 2, 1, here, transport_factor, phi, water, dispersivity);
        diffusive[here] = sum.diffusive;
        advective[here] = sum.advective;
        cation_drift[here] = sum.cation_drift;
        anion_drift[here] = sum.anion_drift;
    }
}

// Rate at which the fastest species could empty a voxel                             [1/s]
KERNEL outflow_rate(Grid g, const real* __restrict__ diffusive,
                    const real* __restrict__ advective, const real* __restrict__ cation_drift,
                    const real* __restrict__ anion_drift, const real* __restrict__ pore_volume,
                    const real fastest[NF][3], real* __restrict__ rate)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        real most = 0;
        for (int n = 0; n < NF; n++)
            most = larger(most, fastest[n][0] * diffusive[here] + fastest[n][1] * cation_drift[here]
                              + fastest[n][2] * anion_drift[here] + advective[here]);
        rate[here] = pore_volume[here] > 0 ? most / pore_volume[here] : real(0);
    }
}
