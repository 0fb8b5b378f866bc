// Electric conductance of faces, and faces whose drift has changed; twin of
// ekm3d/physics/potential.py.
// needs grid/faces.cuh
// needs packs.cuh
// needs physics/face_interpolation.cuh

// Species by species: sum z^2 D c* and sum z D (c_above - c_below) of the faces of a strip.
template <Drift drift>
ROUTINE void add_species(const Strip& f, const real* c, Offset apart, const Species& species,
                         Pack* weight, Pack* diffusing)
{
    for (int n = 0; n < NS; n++, c += apart) {
        const Ion one = ion(species, n);
        if (one.charge == 0)
            continue;
        const real weighed = one.square * one.d, carried = one.z * one.d;
        for (int q = 0; q < packs(f); q++) {
            const real* here = c + q * WIDTH;
            if (LANES > 1)
                fetch_once(here + apart + 2 * f.step);
            const Slopes s = slopes<drift != CENTRAL>(f, here, q);
            weight[q] = fused(broadcast(weighed), migrating<drift>(f, s, one, q), weight[q]);
            diffusing[q] = fused(broadcast(carried), s.rise, diffusing[q]);
        }
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
    const Species species = species_of(z, diffusion, blend);
    EKM_FACE_ROWS(row, g) {
        const real* factor = along_axis(transport_factor, row.axis, g);
        for (int first = 0, next; first < row.n; first = next) {
            next = strip_end(first, row.n);
            const Offset here = row.first + first, out = row.side + here;
            Strip f;
            Pack weight[PACKS], diffusing[PACKS];
            open_strip(f, g, row.axis, here, next - first, factor);
            drift_strip(f, previous_phi, pore_turnover, use_smaller_side + row.side, highest);
            if (f.drift != CENTRAL)
                neighbours(f, factor);
            weigh(f, species);
            for (int q = 0; q < packs(f); q++)
                weight[q] = diffusing[q] = broadcast(0);
            const real* at = c + here;
            if (f.drift == CENTRAL)
                add_species<CENTRAL>(f, at, volume(g), species, weight, diffusing);
            else if (f.drift == LIMITED)
                add_species<LIMITED>(f, at, volume(g), species, weight, diffusing);
            else
                add_species<SMALLER_SIDE>(f, at, volume(g), species, weight, diffusing);
            for (int q = 0; q < packs(f); q++) {
                const Pack geometric = FARADAY * f.geometric[q];
                const int count = next - first - q * WIDTH;
                store(conductance + out + q * WIDTH, F_RT * geometric * weight[q], count);
                store(current + out + q * WIDTH, -geometric * diffusing[q], count);
            }
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
