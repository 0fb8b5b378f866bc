// Conductivity, pore turnover and charge imbalance of every voxel; twin of
// ekm3d/physics/electrolyte.py.

// Adds sum w c over a strip of voxels of one species.
INLINE void add(Lanes sum, const real* c, real weight, int count)
{
    EKM_LANES(l, count) sum[l] += weight * c[l];
}

// sigma = F (F/RT) m sum z^2 D c  [S/m];  pore_turnover = dt / (theta V) dissolved / (dissolved
// + exchanged), both by charge  [s/m3]
KERNEL electrolyte(Grid g, const real* __restrict__ EACH(NS) c,
                   const real* __restrict__ EACH(NX) exchanged,
                   const real* __restrict__ transport_factor,
                   const real* __restrict__ water_content, const real z[NS],
                   const real diffusion[NS], const real exchange_charge[NX1], real dt,
                   real* __restrict__ sigma, real* __restrict__ pore_turnover)
{
    const real per_volume = dt / (real(g.dx) * real(g.dy) * real(g.dz));
    EKM_TILES(t, g) {
        Lanes conducting, free, bound;
        for (int k = t.k; k < t.k + t.nk; k++)
            for (int j = t.j; j < t.j + t.nj; j++) {
                const Offset here = at(t.i, j, k, g);
                EKM_LANES(l, t.ni) conducting[l] = free[l] = bound[l] = 0;
                for (int n = 0; n < NS; n++) {
                    if (z[n] == 0)
                        continue;
                    const real* ions = c + n * volume(g) + here;
                    add(conducting, ions, z[n] * z[n] * diffusion[n], t.ni);
                    add(free, ions, magnitude(z[n]), t.ni);
                }
                for (int n = 0; n < NX; n++)
                    add(bound, exchanged + n * volume(g) + here, exchange_charge[n], t.ni);
                for (int l = 0; l < t.ni; l++) {
                    const real theta = water_content[here + l], dissolved = theta * free[l] / 2;
                    const real both = dissolved + bound[l];
                    const real share = both > 0 ? dissolved / both : real(1);
                    sigma[here + l] = FARADAY * F_RT * transport_factor[here + l] * conducting[l];
                    pore_turnover[here + l] = theta > 0 ? per_volume * share / theta : real(0);
                }
            }
    }
}

// |charge| / (theta sum |z| c), 0 where nothing is dissolved, not a number where any of it is not
KERNEL imbalance(Grid g, const real* __restrict__ EACH(NS) c, const real* __restrict__ charge,
                 const real* __restrict__ water_content, const real z[NS],
                 real* __restrict__ ratio)
{
    EKM_TILES(t, g) {
        Lanes ions;
        for (int k = t.k; k < t.k + t.nk; k++)
            for (int j = t.j; j < t.j + t.nj; j++) {
                const Offset here = at(t.i, j, k, g);
                EKM_LANES(l, t.ni) ions[l] = 0;
                for (int n = 0; n < NS; n++)
                    if (z[n] != 0)
                        add(ions, c + n * volume(g) + here, magnitude(z[n]), t.ni);
                for (int l = 0; l < t.ni; l++) {
                    const real all = water_content[here + l] * ions[l];
                    ratio[here + l] = all <= 0 ? real(0) : magnitude(charge[here + l]) / all;
                }
            }
    }
}
