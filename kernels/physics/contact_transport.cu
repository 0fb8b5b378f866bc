// Fluxes through boundary faces; twin of ekm3d/physics/contact_transport.py. g: one voxel per face.
// needs physics/reservoir_face.cuh

// What leaves one water of the ore, by migration and diffusion where species cross the face, and
// with the water; components one by one, their species in NumPy's order of a product of matrices.
KERNEL contact_fluxes(Grid g, const real* __restrict__ EACH(NS) LIST(m) ore,
                      const real* __restrict__ EACH(NS) LIST(places) reservoir,
                      const Offset* __restrict__ LIST(n) strip,
                      const real* __restrict__ LIST(n) contact,
                      const real* __restrict__ LIST(n) previous_drop,
                      const real* __restrict__ LIST(n) drop,
                      const Flag* __restrict__ LIST(n) smaller_side,
                      const Flag* __restrict__ LIST(n) passes,
                      const real* __restrict__ LIST(n) flow, const real z[NS],
                      const real diffusion[NS], const real nu[NS][NK], real reduced, int n,
                      int m, int places, real* __restrict__ EACH(NK) LIST(n) out)
{
    EKM_VOXELS(i, j, k, g) {
        real sum[NK];
        EKM_UNROLL for (int h = 0; h < NK; h++)
            sum[h] = 0;
        const real chosen = reduced * previous_drop[i], by = F_RT * reduced * drop[i];
        const bool leaves = flow[i] > 0;
        EKM_UNROLL for (int s = 0; s < NS; s++) {
            const real here = ore[Offset(s) * m + i];
            const real there = reservoir[Offset(s) * places + strip[i]];
            const real star = beside_reservoir(here, there, z[s] * chosen, smaller_side[i] > 0);
            const real moved = (passes[i] ? contact[i] * diffusion[s]
                                            * (here - there + by * z[s] * star) : real(0))
                             + flow[i] * (leaves ? here : there);
            EKM_UNROLL for (int h = 0; h < NK; h++)
                sum[h] = fused(nu[s][h], moved, sum[h]);
        }
        EKM_UNROLL for (int h = 0; h < NK; h++)
            out[Offset(h) * n + i] = sum[h];
    }
}

// made: H+ of metal and tanks [mol/s]; reach, cations, anions: outflow of a voxel through the face,
// per D, and per D |z| of either [m].
KERNEL contact_rates(Grid g, const real* __restrict__ LIST(n) into_ore,
                     const real* __restrict__ LIST(n) drop,
                     const real* __restrict__ LIST(n) contact,
                     const Flag* __restrict__ LIST(n) passes,
                     const Flag* __restrict__ LIST(n) electrolyses, real reduced, int n,
                     real* __restrict__ LIST(n) made, real* __restrict__ LIST(n) reach,
                     real* __restrict__ LIST(n) cations, real* __restrict__ LIST(n) anions)
{
    EKM_VOXELS(i, j, k, g) {
        const real by = F_RT * reduced * drop[i], own = passes[i] ? contact[i] : real(0);
        made[i] = electrolyses[i] ? into_ore[i] / FARADAY : real(0);
        reach[i] = own;
        cations[i] = own * larger(by, 0);
        anions[i] = own * larger(-by, 0);
    }
}
