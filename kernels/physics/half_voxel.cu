// Half voxels before boundary faces; twin of ekm3d/physics/half_voxel.py.
// needs physics/reservoir_face.cuh

// Sum of one number per species in NumPy's order of a column: eight at a time, these as a tree.
INLINE real sum_of_column(const real* v)
{
    if (NS < 8) {
        real sum = 0;
        for (int n = 0; n < NS; n++)
            sum += v[n];
        return sum;
    }
    real part[8];
    EKM_UNROLL for (int m = 0; m < 8; m++)
        part[m] = NS < 8 ? real(0) : v[m < NS ? m : 0];
    EKM_UNROLL for (int n = 8; n < NS / 8 * 8; n++)
        part[n % 8] += v[n];
    real sum = ((part[0] + part[1]) + (part[2] + part[3]))
             + ((part[4] + part[5]) + (part[6] + part[7]));
    EKM_UNROLL for (int n = NS / 8 * 8; n < NS; n++)
        sum += v[n];
    return sum;
}

// S = F (F/RT) G sum z2 D c* [S] and F G sum z D (c - c_b), or - sum z D (c_f - c) at metal [A].
// g: one voxel per face; c: in the voxels at the faces, then in those behind them (m = 2 n, or n
// without metal); factor: alike.
KERNEL face_currents(Grid g, const real* __restrict__ EACH(NS) LIST(m) c,
                     const real* __restrict__ LIST(m) factor,
                     const real* __restrict__ EACH(NS) LIST(places) reservoir,
                     const Offset* __restrict__ LIST(n) strip,
                     const real* __restrict__ LIST(n) contact,
                     const real* __restrict__ LIST(n) drop,
                     const Flag* __restrict__ LIST(n) smaller_side,
                     const Flag* __restrict__ LIST(n) passes,
                     const Flag* __restrict__ LIST(n) metal, const real z[NS],
                     const real diffusion[NS], int n, int m, int places, real f_rt,
                     real* __restrict__ LIST(n) conductance, real* __restrict__ LIST(n) offset)
{
    EKM_VOXELS(i, j, k, g) {
        real carries = 0, moves[NS];
        const bool closed = !(factor[m - n + i] > 0);
        EKM_UNROLL for (int s = 0; s < NS; s++) {
            const real ore = c[Offset(s) * m + i], zd = z[s] * diffusion[s];
            real star = ore, change = 0;
            if (passes[i]) {
                const real there = reservoir[Offset(s) * places + strip[i]];
                star = beside_reservoir(ore, there, z[s] * drop[i], smaller_side[i] > 0);
                change = ore - there;
            } else if (metal[i])
                change = closed ? real(0)
                                : larger((ore - c[Offset(s) * m + (m - n) + i]) / 2, -ore);
            carries += z[s] * z[s] * diffusion[s] * star;
            moves[s] = zd * change;
        }
        conductance[i] = FARADAY * f_rt * contact[i] * carries;
        const real sum = sum_of_column(moves);
        offset[i] = passes[i] ? FARADAY * contact[i] * sum
                  : metal[i] ? -FARADAY * contact[i] * sum : real(0);
    }
}
