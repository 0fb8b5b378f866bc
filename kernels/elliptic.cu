// The 7-point operator of the elliptic solver; twin of ekm3d/elliptic.py.

// What leaves a voxel through its two faces along one axis: sum of a_face (x - x_neighbour).
INLINE real outflow(const real* a, const real* x, Offset here, Offset step)
{
    return a[here] * (x[here] - x[here + step]) + a[here - step] * (x[here] - x[here - step]);
}

// y = b x - div(a grad x) per voxel                                    [A or m3/s]
KERNEL apply_operator(Grid g, const real* __restrict__ ax, const real* __restrict__ ay,
                      const real* __restrict__ az, const real* __restrict__ b,
                      const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset c = at(i, j, k, g);
        y[c] = b[c] * x[c] + outflow(ax, x, c, 1) + outflow(ay, x, c, row(g))
             + outflow(az, x, c, layer(g));
    }
}
