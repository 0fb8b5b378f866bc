// Unsaturated voxels and faces; twin of ekm3d/physics/retention.py.
// needs grid/faces.cuh
// needs physics/retention_curves.cuh

// theta, C, K_r and k_e / k_e,s
KERNEL wet_voxels(Grid g, const real* __restrict__ pressure_head,
                  const real* __restrict__ EACH(12) curve, real osmosis_law,
                  real* __restrict__ content, real* __restrict__ capacity,
                  real* __restrict__ relative_conductivity, real* __restrict__ relative_osmosis)
{
    {
        EKM_VOXELS(i, j, k, g) {
            const Offset here = at(i, j, k, g);
            const Curve c = curve_at(curve, here, volume(g));
            const Wetness w = usual_wetness(pressure_head[here], c);
            content[here] = w.saturation;
            capacity[here] = w.slope;
            relative_conductivity[here] = w.relative;
        }
    }
    {
        EKM_VOXELS(i, j, k, g) {
            const Offset here = at(i, j, k, g);
            const Offset all = volume(g);
            if (curve[here] > 1 || curve[9 * all + here] > 0) {
                const Wetness w = wetness(pressure_head[here], curve_at(curve, here, all));
                content[here] = w.saturation;
                capacity[here] = w.slope;
                relative_conductivity[here] = w.relative;
            }
        }
    }
    {
        EKM_VOXELS(i, j, k, g) {
            const Offset here = at(i, j, k, g);
            const real residual = curve[3 * volume(g) + here], full = curve[4 * volume(g) + here];
            const real saturation = content[here], width = full - residual;
            const real theta = residual + width * saturation;
            const real share = full > 0 ? theta / full : real(0);
            content[here] = theta;
            capacity[here] *= width;
            relative_osmosis[here] = osmosis_law == 0 ? saturation * saturation
                                   : osmosis_law == 1 ? share * share
                                   : osmosis_law == 2 ? relative_conductivity[here] : real(1);
        }
    }
}

// Mean of K_r over the pressure heads between two voxels; k_a, k_b: K_r of the curve there.
INLINE real face_mean(real psi_a, real psi_b, real k_a, real k_b, const Curve& c)
{
    const real most = larger(k_a, k_b), least = smaller(k_a, k_b);
    const real high = larger(psi_a, psi_b), low = smaller(psi_a, psi_b);
    const real wet = larger(-high, entry_of(c)), dry = -low, offset = 1 / c.alpha;
    if (!(least < real(ALIKE) * most)) {
        const real length = high - low, full = larger(high + wet, 0);
        const real share = length > 0 ? smaller(full / length, 1) : real(0);
        return (most + least) / 2 + share * ((most - least) / 2);
    }
    const real start = logarithm(wet + offset);
    const real half = logarithm((dry + offset) / (wet + offset)) / 2;
    const real ends = most * (wet + offset) + least * (dry + offset);
    const real reach = exponential(start + half);
    const real middle = wetness(offset - reach, c).relative * reach;
    real sum = (ends + 4 * middle) / 3;
    if (!(least > real(NEAR) * most)) {
        sum = ends / 10 + real(32) / 45 * middle;
        for (int way = -1; way <= 1; way += 2) {
            const real beside = exponential(start + half * (1 + way * real(LOBATTO)));
            sum += real(49) / 90 * (wetness(offset - beside, c).relative * beside);
        }
    }
    return (half * sum + (high + wet)) / (high - low);
}

// Hydraulic conductance of faces                                                    [m2/s]
KERNEL wet_faces(Grid g, const real* __restrict__ pressure_head,
                 const real* __restrict__ relative_conductivity,
                 const real* __restrict__ EACH(12) curve,
                 const real* __restrict__ hydraulic_conductivity,
                 const real* __restrict__ EACH(3) full_conductance,
                 real* __restrict__ EACH(3) conductance)
{
    EKM_FACE_ROWS(f, g) {
        EKM_ENTRIES(l, f.n) {
            const Offset a = f.first + l, b = a + f.step;
            const real full = full_conductance[f.side + a];
            real out = 0;
            if (full > 0) {
                const real psi_a = pressure_head[a], psi_b = pressure_head[b];
                const real k_a = relative_conductivity[a], k_b = relative_conductivity[b];
                const Curve one = curve_at(curve, a, volume(g)),
                            two = curve_at(curve, b, volume(g));
                if (same_shape(one, two))
                    out = full * face_mean(psi_a, psi_b, k_a, k_b, one);
                else
                    out = series(hydraulic_conductivity[a] * face_mean(
                                     psi_a, psi_b, k_a, wetness(psi_b, one).relative, one),
                                 hydraulic_conductivity[b] * face_mean(
                                     psi_a, psi_b, wetness(psi_a, two).relative, k_b, two),
                                 shape(g, f.axis));
            }
            conductance[f.side + a] = out;
        }
    }
}

// Electro-osmotic flow of unsaturated rock                                          [m3/s]
KERNEL wet_osmosis(Grid g, const real* __restrict__ EACH(3) full_osmosis,
                   const real* __restrict__ relative_osmosis,
                   const real* __restrict__ EACH(3) full_conductance,
                   const real* __restrict__ EACH(3) conductance, real osmosis_law,
                   real* __restrict__ EACH(3) water)
{
    EKM_FACE_ROWS(f, g) {
        EKM_ENTRIES(l, f.n) {
            const Offset a = f.first + l, face = f.side + a;
            const real full = full_conductance[face];
            const real share = osmosis_law == 2
                ? (full > 0 ? conductance[face] / full : real(0))
                : (relative_osmosis[a] + relative_osmosis[a + f.step]) / 2;
            water[face] = full_osmosis[face] * share;
        }
    }
}

// Water that a voxel lacks [m3/s], and stores per head [m2/s]
KERNEL stored_water(Grid g, const real* __restrict__ content, const real* __restrict__ capacity,
                    const real* __restrict__ steepest, const real* __restrict__ head,
                    const real* __restrict__ head_at_start,
                    const real* __restrict__ water_at_start, const real* __restrict__ elastic,
                    const real* __restrict__ specific_storage,
                    const real* __restrict__ EACH(12) curve, real slope, real dt,
                    real* __restrict__ coupling, real* __restrict__ missing)
{
    const real per_time = real(g.dx) * real(g.dy) * real(g.dz) / dt;
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        const real full = curve[4 * volume(g) + here];
        const real yields = specific_storage[here] * (full > 0 ? content[here] / full : real(0));
        const real stored = content[here]
                          + (elastic[here] + yields * (head[here] - head_at_start[here]));
        missing[here] = (water_at_start[here] - stored) * per_time;
        coupling[here] = (larger(capacity[here], slope * steepest[here]) + yields) * per_time;
    }
}
