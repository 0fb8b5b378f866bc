// Conductance and diffusion current of every face; twin of ekm3d/potential.py and blending.py.

// Geometric conductance of the face above `here`: two half voxels in series, times the shape
// A/(h/2) of half a voxel                                                              [m]
INLINE real series(const real* mobility, Offset here, Offset step, real shape)
{
    const real a = mobility[here], b = mobility[here + step];
    return a + b > 0 ? shape * (a * b) / (a + b) : real(0);
}

// Difference of c across that face; a closed face counts as none                  [mol/m3]
INLINE real difference(const real* c, const real* mobility, Offset here, Offset step)
{
    const bool open = mobility[here] * mobility[here + step] > 0;
    return open ? c[here + step] - c[here] : real(0);
}

// phi(r)/2 of van Leer's limiter, r = upstream / own.
INLINE real limited(real own, real upstream)
{
    const real u = magnitude(upstream);
    const bool same_way = (own > 0 && upstream > 0) || (own < 0 && upstream < 0);
    return same_way ? u / (magnitude(own) + u) : real(0);
}

// One face: S = F (F/RT) G sum z^2 D c*  [S]  and  I_d = -F G sum z D (c_above - c_below)  [A].
INLINE void face(const real* c, const real* mobility, const real* lag, const real* turnover,
                 const Flag* safe, real blend, const real* z, const real* diffusion, Offset here,
                 Offset step, Offset species, real shape, real* conductance, real* current)
{
    const real geometric = series(mobility, here, step, shape);
    const real drop = lag[here] - lag[here + step];
    const real speed = geometric * ((turnover[here] + turnover[here + step]) / 2);
    real s = 0, id = 0;
    for (int n = 0; n < NS; n++, c += species) {
        const real a = c[here], b = c[here + step];
        const bool forward = z[n] * drop > 0;
        const real own = difference(c, mobility, here, step);
        const real upstream = difference(c, mobility, forward ? here - step : here + step, step);
        const real u = F_RT * magnitude(z[n] * drop), central = 1 / larger(u, 1);
        const real timely = larger(1 - smaller(u * u, 1) * u * (diffusion[n] * speed), 0);
        const real k = blend * timely * (central / 2 + (1 - central) * limited(own, upstream));
        const real blended = forward ? a + k * own : b - k * own;
        s += z[n] * z[n] * diffusion[n] * (safe[here] ? smaller(a, b) : blended);
        id += z[n] * diffusion[n] * own;
    }
    conductance[here] = FARADAY * F_RT * geometric * s;
    current[here] = -FARADAY * geometric * id;
}

// Axis 0, 1, 2 = z, y, x; every face is stored with the voxel below it.
KERNEL face_conductance(Grid g, const real* __restrict__ EACH(NS) c,
                        const real* __restrict__ mobility, const real* __restrict__ lag,
                        const real* __restrict__ turnover,
                        const Flag* __restrict__ EACH(3) safe, const real z[NS],
                        const real diffusion[NS], real blend,
                        real* __restrict__ EACH(3) conductance, real* __restrict__ EACH(3) current)
{
    EKM_FACES(i, j, k, g) {
        const Offset here = at(i, j, k, g), all = volume(g);
        const real dx = g.dx, dy = g.dy, dz = g.dz;
        if (i >= 0 && j >= 0)
            face(c, mobility, lag, turnover, safe, blend, z, diffusion, here, layer(g), all,
                 2 * dx * dy / dz, conductance, current);
        if (i >= 0 && k >= 0)
            face(c, mobility, lag, turnover, safe + all, blend, z, diffusion, here, row(g), all,
                 2 * dx * dz / dy, conductance + all, current + all);
        if (j >= 0 && k >= 0)
            face(c, mobility, lag, turnover, safe + 2 * all, blend, z, diffusion, here, 1, all,
                 2 * dy * dz / dx, conductance + 2 * all, current + 2 * all);
    }
}
