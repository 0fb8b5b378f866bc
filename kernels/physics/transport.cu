// Component fluxes across faces and the gain of voxels; twin of ekm3d/physics/transport.py.
// needs grid/faces.cuh
// needs packs.cuh
// needs physics/face_interpolation.cuh
// needs physics/component_shares.cuh
// needs physics/species_flux.cuh
// needs physics/transport_strips.cuh

#if LANES == 1

// sum += weight nu^T moved, of species n.
INLINE void add(const real* nu, int n, real weight, real moved, real* sum)
{
    EKM_UNROLL for (int m = 0; m < NK; m++) {
        const real share = nu[n * NK + m];
        if (share != 0)
            sum[m] = fused(weight * share, moved, sum[m]);
    }
}

template <bool wet>
INLINE real species_flux(Side& side, const real* c, const Ion& n, real& rise)
{
    if (n.charge == 0)
        return species_flux<NONE, wet>(side, c, n, 0, rise);
    if (side.f.drift == CENTRAL)
        return species_flux<CENTRAL, wet>(side, c, n, 0, rise);
    if (side.f.drift == LIMITED)
        return species_flux<LIMITED, wet>(side, c, n, 0, rise);
    return species_flux<SMALLER_SIDE, wet>(side, c, n, 0, rise);
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
                const Ion one = ion(s.z[n], s.diffusion[n], s.blend);
                real rise;
                const real moved = species_flux<wet>(side, s.c + n * all + face, one, rise);
                add(task.nu, n, 1, moved, flux);
                if (wet)
                    add(task.nu, n, 1, rise, change);
            }
            const real mixed = wet ? mix(side, task, 0) : 0;
            const bool mine = way < 0 || (axis == 0 ? t.k : axis == 1 ? t.j : t.i) == 0;
            for (int m = 0; m < NK; m++) {
                if (wet)
                    flux[m] = fused(mixed, change[m], flux[m]);
                gain[m] += way * flux[m];
                if (keep && mine)
                    task.flux[(axis * NK + m) * all + face] = flux[m];
            }
        }
    for (int m = 0; m < NK; m++)
        task.gained[m * all + here] = gain[m];
}

#endif

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
#if LANES > 1
    const Shares shares = shares_of(task.nu);
    const Species species = species_of(task.s.z, task.s.diffusion, task.s.blend);
#endif
    EKM_TILES(t, g) {
        const bool wet = wet_tile(t, g, task.s.water);
#if LANES > 1
        (wet ? by_strips<keep, true> : by_strips<keep, false>)(t, task, shares, species);
#else
        wet ? by_faces<keep, true>(t, task) : by_faces<keep, false>(t, task);
#endif
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
