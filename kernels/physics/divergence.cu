// Finite-volume balance of a voxel; twin of ekm3d/physics/divergence.py.

// f = factor amount + given - div flow
KERNEL source_minus_divergence(Grid g, const real* __restrict__ amount,
                               const real* __restrict__ given,
                               const real* __restrict__ EACH(3) flow, real factor,
                               real* __restrict__ f)
{
    const real *z = flow, *y = flow + volume(g), *x = flow + 2 * volume(g);
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        f[here] = factor * amount[here] + given[here] + (z[here - layer(g)] - z[here])
                + (y[here - row(g)] - y[here]) + (x[here - 1] - x[here]);
    }
}

// total += share gained, for every component
KERNEL accumulate(Grid g, const real* __restrict__ EACH(NK) gained, real share,
                  real* __restrict__ EACH(NK) total)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        for (int m = 0; m < NK; m++)
            total[m * volume(g) + here] += share * gained[m * volume(g) + here];
    }
}
