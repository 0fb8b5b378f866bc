// Exchangeable cations that move along the clay; twin of ekm3d/physics/surface_conduction.py.
// needs grid/faces.cuh

INLINE const real* along_axis(const real* clay_factor, int axis, const Grid& g)
{
    return NT > 1 ? clay_factor + axis * volume(g) : clay_factor;
}

// N* of a species on the face above `low`: of the side that cations come from, or the smaller.
INLINE real carriers(const real* exchanged, Offset low, Offset high, bool smaller_one, bool forward)
{
    const real a = exchanged[low], b = exchanged[high];
    return smaller_one ? smaller(a, b) : forward ? a : b;
}

// S = F (F/RT) G sum z2 D N*                                                             [S]
KERNEL clay_conductance(Grid g, const real* __restrict__ EACH(NX) exchanged,
                        const real* __restrict__ EACH(NT) clay_factor,
                        const real* __restrict__ previous_phi,
                        const Flag* __restrict__ EACH(3) use_smaller_side,
                        const real exchange_z[NX], const real exchange_diffusion[NX],
                        real* __restrict__ EACH(3) conductance)
{
    EKM_FACE_ROWS(f, g) {
        const real* factor = along_axis(clay_factor, f.axis, g);
        EKM_ENTRIES(l, f.n) {
            const Offset low = f.first + l, high = low + f.step;
            const bool flag = use_smaller_side[f.side + low] > 0;
            const bool forward = previous_phi[low] - previous_phi[high] > 0;
            real sum = 0;
            for (int n = 0; n < NX; n++)
                sum += exchange_z[n] * exchange_z[n] * exchange_diffusion[n]
                     * carriers(exchanged + n * volume(g), low, high, flag, forward);
            conductance[f.side + low] = FARADAY * F_RT
                * series(factor[low], factor[high], shape(g, f.axis)) * sum;
        }
    }
}

// gained_k = inflow of sum_i nu_ik z_i D_i N*_i G (F/RT) (phi_a - phi_b)               [mol/s]
KERNEL clay_gain(Grid g, const real* __restrict__ EACH(NX) exchanged,
                 const real* __restrict__ EACH(NT) clay_factor, const real* __restrict__ phi,
                 const real* __restrict__ previous_phi,
                 const Flag* __restrict__ EACH(3) use_smaller_side, const real exchange_z[NX],
                 const real exchange_diffusion[NX], const real exchange_nu[NX][NK],
                 real* __restrict__ EACH(NK) gained)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g), all = volume(g);
        real sum[NK] = {};
        for (int axis = 0; axis < 3; axis++) {
            const real* factor = along_axis(clay_factor, axis, g);
            for (int up = 0; up < 2; up++) {
                const Offset low = up ? here : here - stride(g, axis);
                const Offset high = low + stride(g, axis);
                const bool flag = use_smaller_side[axis * all + low] > 0;
                const bool forward = previous_phi[low] - previous_phi[high] > 0;
                const real drift = F_RT * series(factor[low], factor[high], shape(g, axis))
                                 * (phi[low] - phi[high]) * (up ? -1 : 1);
                for (int n = 0; n < NX; n++) {
                    const real moved = exchange_z[n] * exchange_diffusion[n] * drift
                                     * carriers(exchanged + n * all, low, high, flag, forward);
                    for (int m = 0; m < NK; m++)
                        sum[m] += exchange_nu[n][m] * moved;
                }
            }
        }
        for (int m = 0; m < NK; m++)
            gained[m * all + here] = sum[m];
    }
}
