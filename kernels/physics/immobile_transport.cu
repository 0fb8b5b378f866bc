// Ions that pass between both waters of a voxel; twin of ekm3d/physics/immobile_transport.py.

// P = sum_k z_k gain_k / sum_s z_s2 D_s c*_s  [m],  moved_k = sum_s nu_sk z_s D_s c*_s P  [mol/s];
// c* of a species: that of the water which it leaves
KERNEL passing_ions(Grid g, const real* __restrict__ EACH(NS) c,
                    const real* __restrict__ EACH(NS) still_c,
                    const real* __restrict__ EACH(NK) still_gained, const real z[NS],
                    const real diffusion[NS], const real nu[NS][NK],
                    const real component_charge[NK], real* __restrict__ drive,
                    real* __restrict__ EACH(NK) moved)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g), all = volume(g);
        real excess = 0, carrying = 0;
        for (int m = 0; m < NK; m++)
            excess += component_charge[m] * still_gained[m * all + here];
        for (int n = 0; n < NS; n++)
            carrying += z[n] * z[n] * diffusion[n]
                      * (excess * z[n] > 0 ? still_c[n * all + here] : c[n * all + here]);
        const real push = carrying > 0 ? excess / carrying : real(0);
        real sum[NK] = {};
        for (int n = 0; n < NS; n++) {
            const real leaving = excess * z[n] > 0 ? still_c[n * all + here] : c[n * all + here];
            const real passing = z[n] * diffusion[n] * leaving * push;
            for (int m = 0; m < NK; m++)
                sum[m] += nu[n][m] * passing;
        }
        drive[here] = push;
        for (int m = 0; m < NK; m++)
            moved[m * all + here] = sum[m];
    }
}
