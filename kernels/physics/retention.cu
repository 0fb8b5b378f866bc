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

// Mean of K_r between two pressure heads where both K are nearly alike: of both, and of full pores.
INLINE real mean_of_ends(real psi_a, real psi_b, real k_a, real k_b, real entry)
{
    const real most = larger(k_a, k_b), least = smaller(k_a, k_b);
    const real high = larger(psi_a, psi_b), length = high - smaller(psi_a, psi_b);
    const real full = larger(high + larger(-high, entry), 0);
    const real share = length > 0 ? smaller(full / length, 1) : real(0);
    return (most + least) / 2 + share * ((most - least) / 2);
}

INLINE bool steep(real k_a, real k_b) { return smaller(k_a, k_b) < real(ALIKE) * larger(k_a, k_b); }
INLINE bool far(real k_a, real k_b) { return !(smaller(k_a, k_b) > real(NEAR) * larger(k_a, k_b)); }

// Interval of pressure heads between two voxels as one of ln(s + offset): half its length, its
// middle, the term of both ends; length above the air-entry value, and length in all [m].
struct Between {
    real half, middle, ends, full, length;
};

INLINE Between between(real psi_a, real psi_b, real k_a, real k_b, real entry, real offset)
{
    const real high = larger(psi_a, psi_b), low = smaller(psi_a, psi_b);
    const real suction = larger(-high, entry), wet = suction + offset, dry = offset - low;
    return {logarithm(dry / wet) / 2, square_root(wet * dry),
            larger(k_a, k_b) * wet + smaller(k_a, k_b) * dry, high + suction, high - low};
}

// Mean of K_r by Lobatto's rule; middle, beside: K_r times (s + offset) at its inner places.
INLINE real mean_of(const Between& i, bool far, real middle, real beside)
{
    const real three = (i.ends + 4 * middle) / 3;
    const real five = i.ends / 10 + real(32) / 45 * middle + real(49) / 90 * beside;
    return (i.half * (far ? five : three) + i.full) / i.length;
}

// Mean of K_r over the pressure heads between two voxels; k_a, k_b: K_r of the curve there.
INLINE real face_mean(real psi_a, real psi_b, real k_a, real k_b, const Curve& c)
{
    if (!steep(k_a, k_b))
        return mean_of_ends(psi_a, psi_b, k_a, k_b, entry_of(c));
    const real offset = 1 / c.alpha;
    const Between i = between(psi_a, psi_b, k_a, k_b, entry_of(c), offset);
    const real middle = wetness(offset - i.middle, c).relative * i.middle;
    real beside = 0;
    if (far(k_a, k_b)) {
        const real reach = exponential(i.half * real(LOBATTO));
        const real near = i.middle / reach, away = i.middle * reach;
        beside = wetness(offset - near, c).relative * near
               + wetness(offset - away, c).relative * away;
    }
    return mean_of(i, far(k_a, k_b), middle, beside);
}

// Steep faces within rock of one mode of van Genuchten, which are computed side by side.
struct SteepFaces {
    int count;
    Offset face[LANES + PACK];              // in (3, padded)
    Lanes psi_a, psi_b, k_a, k_b, alpha, n, connectivity, entry, full_bracket;
    Lanes middle, half, sum;
};

INLINE void add(SteepFaces& s, const real* curve, Offset a, Offset volume, Offset face, real psi_a,
                real psi_b, real k_a, real k_b)
{
    const Curve c = curve_at(curve, a, volume);
    const int l = LANES > 1 ? s.count : 0;
    s.face[l] = face;
    s.psi_a[l] = psi_a, s.psi_b[l] = psi_b, s.k_a[l] = k_a, s.k_b[l] = k_b;
    s.alpha[l] = c.alpha, s.n[l] = c.n, s.connectivity[l] = c.connectivity;
    s.entry[l] = c.air_entry, s.full_bracket[l] = c.full_bracket;
    s.count++;
}

// K_r times (s + offset) at s + offset = reach on the curve of face l.
INLINE real at_place(const SteepFaces& f, int l, real reach)
{
    const real s = larger(reach - 1 / f.alpha[l], f.entry[l]);
    return relative_of(s, f.alpha[l], f.n[l], f.connectivity[l], f.full_bracket[l]) * reach;
}

// Writes the conductances of the faces, and forgets them.
ROUTINE void take(SteepFaces& f, const real* full_conductance, real* conductance)
{
    if (f.count == 0)
        return;
    int any_far = 0;
    EKM_LANES(l, f.count) {
        const Between i = between(f.psi_a[l], f.psi_b[l], f.k_a[l], f.k_b[l], f.entry[l],
                                  1 / f.alpha[l]);
        f.half[l] = i.half;
        f.middle[l] = i.middle;
        f.sum[l] = 0;
    }
    EKM_ENTRIES(l, f.count) any_far |= far(f.k_a[l], f.k_b[l]);
    if (any_far)
        for (int way = -1; way <= 1; way += 2)
            EKM_LANES(l, f.count) {
                const real reach = f.middle[l] * exponential(way * real(LOBATTO) * f.half[l]);
                f.sum[l] += at_place(f, l, reach);
            }
    EKM_LANES(l, f.count) {
        const Between i = between(f.psi_a[l], f.psi_b[l], f.k_a[l], f.k_b[l], f.entry[l],
                                  1 / f.alpha[l]);
        f.middle[l] = mean_of(i, far(f.k_a[l], f.k_b[l]), at_place(f, l, i.middle), f.sum[l]);
    }
    EKM_ENTRIES(l, f.count)
        conductance[f.face[l]] = full_conductance[f.face[l]] * f.middle[l];
    f.count = 0;
}

// Hydraulic conductance of faces                                                    [m2/s]
KERNEL wet_faces(Grid g, const real* __restrict__ pressure_head,
                 const real* __restrict__ relative_conductivity,
                 const real* __restrict__ EACH(12) curve,
                 const Flag* __restrict__ EACH(3) general,
                 const real* __restrict__ hydraulic_conductivity,
                 const real* __restrict__ EACH(3) full_conductance,
                 real* __restrict__ EACH(3) conductance)
{
    const Offset all = volume(g);
    EKM_TILES(t, g) {
        SteepFaces steeps;
        steeps.count = 0;
        for (FaceRow f = face_row(t, g, 0); f.axis < 3; to_next(f, t, g)) {
            const real *psi = pressure_head + f.first, *k = relative_conductivity + f.first,
                *entry = curve + 6 * all + f.first, *full = full_conductance + f.side + f.first;
            const Flag* other = general + f.side + f.first;
            real* out = conductance + f.side + f.first;
            EKM_ENTRIES(l, f.n) {
                const real mean = mean_of_ends(psi[l], psi[l + f.step], k[l], k[l + f.step],
                                               entry[l]);
                out[l] = full[l] > 0 ? full[l] * mean : real(0);
            }
            if (steeps.count + f.n > LANES)
                take(steeps, full_conductance, conductance);
            EKM_ENTRIES(l, f.n)
                if (steep(k[l], k[l + f.step]) && full[l] > 0 && !other[l])
                    add(steeps, curve, f.first + l, all, f.side + f.first + l, psi[l],
                        psi[l + f.step], k[l], k[l + f.step]);
            EKM_ENTRIES(l, f.n) {
                if (!other[l] || !(full[l] > 0))
                    continue;
                const Offset a = f.first + l, b = a + f.step;
                const real psi_a = psi[l], psi_b = psi[l + f.step];
                const real k_a = k[l], k_b = k[l + f.step];
                const Curve one = curve_at(curve, a, all), two = curve_at(curve, b, all);
                if (same_shape(one, two))
                    out[l] = full[l] * face_mean(psi_a, psi_b, k_a, k_b, one);
                else
                    out[l] = series(hydraulic_conductivity[a] * face_mean(
                                        psi_a, psi_b, k_a, wetness(psi_b, one).relative, one),
                                    hydraulic_conductivity[b] * face_mean(
                                        psi_a, psi_b, wetness(psi_a, two).relative, k_b, two),
                                    shape(g, f.axis));
            }
        }
        take(steeps, full_conductance, conductance);
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
