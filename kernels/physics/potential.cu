// Electric conductance of faces, and faces whose drift has changed; twin of
// ekm3d/physics/potential.py.
// needs grid/faces.cuh
// needs physics/face_interpolation.cuh


// Adds one species: sum z^2 D c* and sum z D (c_above - c_below).
template <Drift drift>
ROUTINE void add_species(const Strip& f, const real* c, real z, real d, real blend, real* weight,
                         real* diffusing)
{
    const Ion n = ion(z, d, blend);
    const View v = view(f, c, n);
    const real weighed = n.square * d, carried = n.charge * d;
    EKM_LANES(l, f.faces) {
        const Slopes s = slopes<drift != CENTRAL>(v, l);
        weight[l] = fused(weighed, migrating<drift>(f, s, n, l), weight[l]);
        diffusing[l] = fused(carried, s.rise, diffusing[l]);
    }
}

// S = F (F/RT) G sum z^2 D c*  [S]  and  I_d = -F G sum z D (c_above - c_below)  [A]; axis 0, 1, 2
// = z, y, x; every face is stored with the voxel below it.
KERNEL face_conductance(Grid g, const real* __restrict__ EACH(NS) c,
                        const real* __restrict__ EACH(NT) transport_factor,
                        const real* __restrict__ previous_phi,
                        const real* __restrict__ pore_turnover,
                        const Flag* __restrict__ EACH(3) use_smaller_side, const real z[NS],
                        const real diffusion[NS], real blend,
                        real* __restrict__ EACH(3) conductance, real* __restrict__ EACH(3) current)
{
    real highest = 0;
    for (int n = 0; n < NS; n++)
        highest = larger(highest, magnitude(z[n]));
    EKM_FACE_ROWS(row, g) {
        const Offset out = row.side + row.first;
        Strip f;
        Lanes weight, diffusing;
        const real* factor = along_axis(transport_factor, row.axis, g);
        open_strip(f, g, row.axis, row.first, row.n, factor);
        drift_strip(f, previous_phi, pore_turnover, use_smaller_side + row.side, highest);
        if (f.drift != CENTRAL)
            neighbours(f, factor);
        EKM_LANES(l, row.n) weight[l] = diffusing[l] = 0;
        for (int n = 0; n < NS; n++) {
            const real* species = c + n * volume(g);
            if (z[n] == 0)
                continue;
            if (f.drift == CENTRAL)
                add_species<CENTRAL>(f, species, z[n], diffusion[n], blend, weight, diffusing);
            else if (f.drift == LIMITED)
                add_species<LIMITED>(f, species, z[n], diffusion[n], blend, weight, diffusing);
            else
                add_species<SMALLER_SIDE>(f, species, z[n], diffusion[n], blend, weight,
                                          diffusing);
        }
        EKM_ENTRIES(l, row.n) {
            const real geometric = FARADAY * f.geometric[l];
            conductance[out + l] = F_RT * geometric * weight[l];
            current[out + l] = -geometric * diffusing[l];
        }
    }
}

// Faces whose c* was chosen for another drift: 1 where it turned while |u| > SURE, or where |u|
// grew to more than twice what it was, or than 2; u: of the ions of the highest |z|.
KERNEL flag_drift_changes(Grid g, const real* __restrict__ phi,
                          const real* __restrict__ previous_phi,
                          const real* __restrict__ EACH(3) conductance,
                          const Flag* __restrict__ EACH(3) use_smaller_side, real highest,
                          Flag* __restrict__ EACH(3) flagged)
{
    EKM_FACE_ROWS(f, g) {
        EKM_ENTRIES(l, f.n) {
            const Offset a = f.first + l, b = a + f.step, face = f.side + a;
            const real u = F_RT * (phi[a] - phi[b]);
            const real old = F_RT * (previous_phi[a] - previous_phi[b]);
            const real now = highest * magnitude(u), then = highest * magnitude(old);
            const bool bad = (u * old < 0 && now > SURE) || now > 2 * larger(then, 1);
            flagged[face] = bad && conductance[face] > 0 && use_smaller_side[face] == 0;
        }
    }
}
