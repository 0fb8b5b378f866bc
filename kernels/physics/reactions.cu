// Voxels whose equilibrium is out of date, and the fields that depend on equilibria; twin of
// ekm3d/physics/reactions.py.
// needs functions.cuh

// out = 1 where a total differs by more than a share `skip` from that at the last solve
KERNEL needs_solve(Grid g, const real* __restrict__ EACH(NK) total,
                   const real* __restrict__ EACH(NK) totals_at_last_solve, real skip,
                   Flag* __restrict__ out)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset a = at(i, j, k, g);
        bool unchanged = true;
        for (int n = 0; n < NK; n++) {
            const real now = total[n * volume(g) + a];
            const real last = totals_at_last_solve[n * volume(g) + a];
            unchanged &= magnitude(now - last) <= skip * magnitude(last);
        }
        out[a] = !unchanged;
    }
}

// totals_at_last_solve = total where solved;  transport_factor = theta tau f(I) with
// f = 1 / (1 + slowing sqrt I);  charge = sum_k z_k total_k - cec of all exchangers
KERNEL update_dependents(Grid g, const Flag* __restrict__ solved,
                         const real* __restrict__ EACH(NK) total,
                         const real* __restrict__ EACH(NX) cec, const real* __restrict__ theta,
                         const real* __restrict__ tau, const real* __restrict__ strength,
                         const real z[NK], real slowing,
                         real* __restrict__ EACH(NK) totals_at_last_solve,
                         real* __restrict__ transport_factor, real* __restrict__ charge)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset a = at(i, j, k, g);
        transport_factor[a] = theta[a] * tau[a] * (1 / (1 + slowing * square_root(strength[a])));
        real sum = 0, fixed = 0;
        for (int n = 0; n < NK; n++) {
            const Offset b = n * volume(g) + a;
            sum += z[n] * total[b];
            if (solved[a])
                totals_at_last_solve[b] = total[b];
        }
        for (int n = 0; n < NX; n++)
            fixed += cec[n * volume(g) + a];
        charge[a] = sum - fixed;
    }
}
