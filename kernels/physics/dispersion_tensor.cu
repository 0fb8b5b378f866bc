// Dispersion across the flow; twin of ekm3d/physics/dispersion_tensor.py.
// needs functions.cuh
// needs grid/faces.cuh

// velocity = mean of the flows through opposite faces / area                            [m/s]
KERNEL voxel_flow(Grid g, const real* __restrict__ EACH(3) water,
                  real* __restrict__ EACH(3) velocity)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        for (int axis = 0; axis < 3; axis++) {
            const real area = real(g.dx) * real(g.dy) * real(g.dz) / spacing(g, axis);
            const real* q = water + axis * volume(g) + here;
            velocity[axis * volume(g) + here] = (q[-stride(g, axis)] + q[0]) / (2 * area);
        }
    }
}

// D_aa less alpha_L |q_a|, and D_ab for b = a + 1, a + 2, times area over the step     [m3/s]
KERNEL tensor_coefficients(Grid g, const real* __restrict__ EACH(3) velocity,
                           const real* __restrict__ EACH(3) water,
                           const real* __restrict__ transport_factor,
                           const real* __restrict__ dispersivity,
                           const real* __restrict__ transverse, real* __restrict__ EACH(3) more,
                           real* __restrict__ EACH(6) cross)
{
    EKM_FACE_ROWS(f, g) {
        const Offset all = volume(g);
        const int b = (f.axis + 1) % 3, d = (f.axis + 2) % 3;
        const real area = real(g.dx) * real(g.dy) * real(g.dz) / spacing(g, f.axis);
        EKM_ENTRIES(l, f.n) {
            const Offset low = f.first + l, high = low + f.step;
            const real q = water[f.side + low] / area;
            const real along = (dispersivity[low] + dispersivity[high]) / 2;
            const real across = (transverse[low] + transverse[high]) / 2;
            const real u = (velocity[b * all + low] + velocity[b * all + high]) / 2;
            const real v = (velocity[d * all + low] + velocity[d * all + high]) / 2;
            const real speed = square_root(q * q + u * u + v * v);
            const bool moves = transport_factor[low] > 0 && transport_factor[high] > 0 && speed > 0;
            const real excess = moves ? (along - across) / speed : real(0);
            more[f.side + low] = moves ? area / spacing(g, f.axis)
                * (across * speed + excess * q * q - along * magnitude(q)) : real(0);
            cross[2 * f.axis * all + low] = area / spacing(g, b) * (excess * q * u);
            cross[(2 * f.axis + 1) * all + low] = area / spacing(g, d) * (excess * q * v);
        }
    }
}

// Half the differences to both neighbours, together; closed faces count as none.
INLINE real slope(const real* c, const real* factor, Offset step)
{
    const bool open = factor[0] > 0;
    const real up = open && factor[step] > 0 ? c[step] - c[0] : real(0);
    const real down = open && factor[-step] > 0 ? c[0] - c[-step] : real(0);
    return (up + down) / 2;
}

// Flux of the cross terms up the axis through the face above `low`.
INLINE real cross_flux(const Grid& g, const real* c, const real* factor, const real* cross,
                       int axis, Offset low)
{
    const Offset high = low + stride(g, axis);
    real total = 0;
    for (int n = 0; n < 2; n++) {
        const Offset step = stride(g, (axis + 1 + n) % 3);
        total -= cross[(2 * axis + n) * volume(g) + low]
               * ((slope(c + low, factor + low, step) + slope(c + high, factor + high, step)) / 2);
    }
    return total;
}

// Share of the cross fluxes that leaves every unsigned component positive                 [1]
KERNEL held_back(Grid g, const real* __restrict__ EACH(NK) dissolved,
                 const real* __restrict__ transport_factor,
                 const real* __restrict__ EACH(6) cross, const real may_be_negative[NK],
                 real* __restrict__ share)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g), all = volume(g);
        real allowed = 0, least = 1;
        for (int m = 0; m < 6; m++)
            allowed += magnitude(cross[m * all + here - stride(g, m / 2)])
                     + magnitude(cross[m * all + here]);
        for (int m = 0; m < NK; m++) {
            const real* c = dissolved + m * all;
            real out = 0;
            for (int axis = 0; axis < 3; axis++)
                out += larger(cross_flux(g, c, transport_factor, cross, axis, here), 0)
                     + larger(-cross_flux(g, c, transport_factor, cross, axis,
                                          here - stride(g, axis)), 0);
            const real has = allowed * larger(c[here], 0);
            if (may_be_negative[m] <= 0 && out > has)
                least = smaller(least, has / out);
        }
        share[here] = least;
    }
}

// gained += inflow by D_aa less alpha_L |q_a| and by the cross terms                   [mol/s]
KERNEL add_dispersion(Grid g, const real* __restrict__ EACH(NK) dissolved,
                      const real* __restrict__ transport_factor,
                      const real* __restrict__ EACH(3) more,
                      const real* __restrict__ EACH(6) cross, const real* __restrict__ share,
                      real* __restrict__ EACH(NK) gained)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g), all = volume(g);
        for (int m = 0; m < NK; m++) {
            const real* c = dissolved + m * all;
            real sum = gained[m * all + here];
            for (int axis = 0; axis < 3; axis++) {
                real flux[2];
                for (int up = 0; up < 2; up++) {
                    const Offset low = up ? here : here - stride(g, axis);
                    const Offset high = low + stride(g, axis);
                    flux[up] = smaller(share[low], share[high])
                             * cross_flux(g, c, transport_factor, cross, axis, low)
                             - more[axis * all + low] * (c[high] - c[low]);
                }
                sum += flux[0] - flux[1];
            }
            gained[m * all + here] = sum;
        }
    }
}
