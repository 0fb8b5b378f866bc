// Which voxels the chemistry has to solve anew, and what follows from their equilibria; twins of
// ekm3d/reactions.py.

// out = 1 where a total is no longer within a share `skip` of that last solved for.
KERNEL moved(Grid g, const real* __restrict__ EACH(NK) total,
             const real* __restrict__ EACH(NK) solved, real skip, Flag* __restrict__ out)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset a = at(i, j, k, g);
        bool still = true;
        for (int n = 0; n < NK; n++) {
            const Offset b = n * volume(g) + a;
            still &= magnitude(total[b] - solved[b]) <= skip * magnitude(solved[b]);
        }
        out[a] = !still;
    }
}

// solved = total where anew;  mobility = theta tau f(I),  f = 1 / (1 + slowing sqrt I);
// charge = sum_k z_k total_k - cec of all exchangers
KERNEL follow(Grid g, const Flag* __restrict__ anew, const real* __restrict__ EACH(NK) total,
              const real* __restrict__ EACH(NX) cec, const real* __restrict__ theta,
              const real* __restrict__ tau, const real* __restrict__ strength, const real z[NK],
              real slowing, real* __restrict__ EACH(NK) solved, real* __restrict__ mobility,
              real* __restrict__ charge)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset a = at(i, j, k, g);
        mobility[a] = theta[a] * tau[a] * (1 / (1 + slowing * square_root(strength[a])));
        real sum = 0, fixed = 0;
        for (int n = 0; n < NK; n++) {
            const Offset b = n * volume(g) + a;
            sum += z[n] * total[b];
            solved[b] = anew[a] ? total[b] : solved[b];
        }
        for (int n = 0; n < NX; n++)
            fixed += cec[n * volume(g) + a];
        charge[a] = sum - fixed;
    }
}
