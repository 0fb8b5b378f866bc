// Water through the faces of the voxels; twin of ekm3d/flow.py.
// needs faces.cuh

// Conductance of two half voxels in series                                          [m2/s]
KERNEL rock_conductance(Grid g, const real* __restrict__ conductivity,
                        real* __restrict__ EACH(3) conductance)
{
    EKM_TILES(t, g) {
        for (int axis = 0; axis < 3; axis++) {
            const Tile a = with_border(t, axis);
            const Offset step = stride(g, axis);
            real* out = conductance + axis * volume(g);
            for (int k = a.k; k < a.k + a.nk; k++)
                for (int j = a.j; j < a.j + a.nj; j++) {
                    const Offset here = at(a.i, j, k, g);
                    for (int l = 0; l < a.ni; l++)
                        out[here + l] = series(conductivity[here + l],
                                               conductivity[here + l + step], shape(g, axis));
                }
        }
    }
}

// Head per volt                                                                      [m/V]
INLINE real thrust(real electroosmosis, real conductivity)
{
    return conductivity > 0 ? electroosmosis / conductivity : real(0);
}

// Electro-osmosis: the voltage divides over both halves of a face like their resistances [m3/s]
KERNEL osmosis(Grid g, const real* __restrict__ sigma, const real* __restrict__ conductivity,
               const real* __restrict__ electroosmosis,
               const real* __restrict__ EACH(3) conductance, const real* __restrict__ phi,
               real* __restrict__ EACH(3) water)
{
    EKM_TILES(t, g) {
        for (int axis = 0; axis < 3; axis++) {
            const Tile f = with_border(t, axis);
            const Offset step = stride(g, axis), side = axis * volume(g);
            for (int k = f.k; k < f.k + f.nk; k++)
                for (int j = f.j; j < f.j + f.nj; j++) {
                    const Offset first = at(f.i, j, k, g);
                    for (int l = 0; l < f.ni; l++) {
                        const Offset a = first + l, b = a + step;
                        const real both = sigma[a] + sigma[b];
                        const real part = both > 0 ? sigma[b] / both : real(0.5);
                        const real head = part * thrust(electroosmosis[a], conductivity[a])
                                        + (1 - part) * thrust(electroosmosis[b], conductivity[b]);
                        water[side + a] = conductance[side + a] * head * (phi[a] - phi[b]);
                    }
                }
        }
    }
}

// Adds the flow that the head drives                                                 [m3/s]
KERNEL darcy(Grid g, const real* __restrict__ EACH(3) conductance, const real* __restrict__ head,
             real* __restrict__ EACH(3) water)
{
    EKM_TILES(t, g) {
        for (int axis = 0; axis < 3; axis++) {
            const Tile f = with_border(t, axis);
            const Offset step = stride(g, axis), side = axis * volume(g);
            for (int k = f.k; k < f.k + f.nk; k++)
                for (int j = f.j; j < f.j + f.nj; j++) {
                    const Offset first = at(f.i, j, k, g);
                    for (int l = 0; l < f.ni; l++) {
                        const Offset a = first + l;
                        water[side + a] += conductance[side + a] * (head[a] - head[a + step]);
                    }
                }
        }
    }
}
