// Unsaturated voxels and faces; twin of ekm3d/physics/retention.py.
// needs functions.cuh
// needs grid/faces.cuh
// needs physics/retention_curves.cuh

// theta, C, K_r, dK_r/dpsi and k_e / k_e,s
KERNEL wet_voxels(Grid g, const real* __restrict__ pressure_head,
                  const real* __restrict__ EACH(12) curve, real osmosis_law,
                  real* __restrict__ content, real* __restrict__ capacity,
                  real* __restrict__ relative_conductivity, real* __restrict__ relative_slope,
                  real* __restrict__ relative_osmosis)
{
    const Offset all = volume(g);
    EKM_TILES(t, g) {
        Lanes saturation, slope, relative, relative_rise;
        for (int k = t.k; k < t.k + t.nk; k++)
            for (int j = t.j; j < t.j + t.nj; j++) {
                const Offset first = at(t.i, j, k, g);
                const real *psi = pressure_head + first, *p = curve + first;
                int drains = 0, others = 0;
                EKM_ENTRIES(l, t.ni) {
                    drains |= p[l] > 0 && psi[l] < 0;
                    others |= p[l] > 1 || p[9 * all + l] > 0;
                }
                if (drains)
                    EKM_LANES(l, t.ni) {
                        const Wetness w = usual_wetness(psi[l], curve_at(p, l, all));
                        saturation[l] = w.saturation;
                        slope[l] = w.slope;
                        relative[l] = w.relative;
                        relative_rise[l] = w.relative_slope;
                    }
                else
                    EKM_LANES(l, t.ni) {
                        saturation[l] = relative[l] = p[l] > 0 ? 1 : 0;
                        slope[l] = relative_rise[l] = 0;
                    }
                if (others)
                    EKM_ENTRIES(l, t.ni)
                        if (p[l] > 1 || p[9 * all + l] > 0) {
                            const Wetness w = wetness(psi[l], curve_at(p, l, all));
                            saturation[l] = w.saturation;
                            slope[l] = w.slope;
                            relative[l] = w.relative;
                            relative_rise[l] = w.relative_slope;
                        }
                EKM_ENTRIES(l, t.ni) {
                    const Offset here = first + l;
                    const real residual = p[3 * all + l], full = p[4 * all + l];
                    const real width = full - residual, theta = residual + width * saturation[l];
                    const real share = full > 0 ? theta / full : real(0);
                    content[here] = theta;
                    capacity[here] = width * slope[l];
                    relative_conductivity[here] = relative[l];
                    relative_slope[here] = relative_rise[l];
                    relative_osmosis[here] = osmosis_law == 0 ? saturation[l] * saturation[l]
                                           : osmosis_law == 1 ? share * share
                                           : osmosis_law == 2 ? relative[l] : real(1);
                }
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

// True where both suctions and both K are so near that the slopes at the ends give the mean.
INLINE bool smooth(real psi_a, real psi_b, real k_a, real k_b, real entry)
{
    const real high = larger(psi_a, psi_b), low = smaller(psi_a, psi_b);
    return high < -entry && low >= real(NEAR) * high
        && smaller(k_a, k_b) > real(FALL) * larger(k_a, k_b);
}

// Mean of K_r from K_r and its slopes at both ends, which are `smooth`.
INLINE real mean_of_slopes(real psi_a, real psi_b, real k_a, real k_b, real slope_a, real slope_b,
                           real alpha)
{
    const bool falls = psi_a > psi_b;
    const real offset = 1 / alpha, length = falls ? psi_a - psi_b : psi_b - psi_a;
    const real wet = offset - larger(psi_a, psi_b), dry = wet + length;
    const real z = length / (wet + dry), q = z * z;             // half the length of ln: artanh z
    const real half = z * (1 + q * (real(1) / 3 + q * (real(1) / 5 + q * (real(1) / 7
                      + q * (real(1) / 9 + q * (real(1) / 11))))));
    const real most = falls ? k_a : k_b, least = falls ? k_b : k_a;
    const real rise = falls ? slope_a : slope_b, fall = falls ? slope_b : slope_a;
    const real ends = most * wet + least * dry;
    const real turn = wet * (most - rise * wet) - dry * (least - fall * dry);
    return half * (ends + half / 3 * turn) / length;
}

// Interval of pressure heads between two voxels as one of ln(s + offset): half its length, its
// middle, the term of both ends; length above the air-entry value, and length in all [m].
struct Between {
    real half, middle, ends, full, length;
};

INLINE Between between(real psi_a, real psi_b, real k_a, real k_b, real entry, real offset)
{
    const real high = larger(psi_a, psi_b), low = smaller(psi_a, psi_b);
    const real suction = larger(-high, entry), wet = suction + offset, dry = offset - low;
    return {swift_logarithm(dry / wet) / 2, square_root(wet * dry),
            larger(k_a, k_b) * wet + smaller(k_a, k_b) * dry, high + suction, high - low};
}

// Mean of K_r by Lobatto's rule; middle, beside: K_r times (s + offset) at its inner places.
INLINE real mean_of(const Between& i, real middle, real beside)
{
    const real five = i.ends / 10 + real(32) / 45 * middle + real(49) / 90 * beside;
    return (i.half * five + i.full) / i.length;
}

// Mean of K_r over the pressure heads between two voxels; k_a, k_b: K_r of the curve there.
INLINE real face_mean(real psi_a, real psi_b, real k_a, real k_b, const Curve& c)
{
    if (!steep(k_a, k_b))
        return mean_of_ends(psi_a, psi_b, k_a, k_b, entry_of(c));
    const real offset = 1 / c.alpha;
    const Between i = between(psi_a, psi_b, k_a, k_b, entry_of(c), offset);
    const real reach = swift_exponential(i.half * real(LOBATTO));
    const real near = i.middle / reach, away = i.middle * reach;
    return mean_of(i, wetness(offset - i.middle, c).relative * i.middle,
                   wetness(offset - near, c).relative * near
                   + wetness(offset - away, c).relative * away);
}

// Faces within rock of one mode of van Genuchten, which are computed side by side; or the halves
// of faces between two such rocks, which begin with K_r on their own side alone.
struct SteepFaces {
    int count;
    Offset face[LANES + PACK];              // in (3, padded)
    Lanes psi_a, psi_b, k_a, k_b, alpha, n, connectivity, entry, full_bracket, full, mean;
};

INLINE void add(SteepFaces& s, const Curve& c, Offset face, real full, real psi_a, real psi_b,
                real k_a, real k_b)
{
    const int l = LANES > 1 ? s.count : 0;
    s.face[l] = face, s.full[l] = full;
    s.psi_a[l] = psi_a, s.psi_b[l] = psi_b, s.k_a[l] = k_a, s.k_b[l] = k_b;
    s.alpha[l] = c.alpha, s.n[l] = c.n, s.connectivity[l] = c.connectivity;
    s.entry[l] = c.air_entry, s.full_bracket[l] = c.full_bracket;
    s.count++;
}

// K_r at the suction s on the curve of face l.
INLINE real relative_at(const SteepFaces& f, int l, real s)
{
    return relative_of(larger(s, f.entry[l]), f.alpha[l], f.n[l], f.connectivity[l],
                       f.full_bracket[l]);
}

// Sets the mean of K_r of all faces.
INLINE void find_means(SteepFaces& f)
{
    EKM_LANES(l, f.count) {
        const real offset = 1 / f.alpha[l];
        const Between i = between(f.psi_a[l], f.psi_b[l], f.k_a[l], f.k_b[l], f.entry[l], offset);
        const real reach = swift_exponential(i.half * real(LOBATTO));
        const real near = i.middle / reach, away = i.middle * reach;
        f.mean[l] = mean_of(i, relative_at(f, l, i.middle - offset) * i.middle,
                            relative_at(f, l, near - offset) * near
                            + relative_at(f, l, away - offset) * away);
    }
}

// Writes the conductances of the faces, and forgets them.
ROUTINE void take(SteepFaces& f, real* conductance)
{
    if (f.count == 0)
        return;
    find_means(f);
    EKM_ENTRIES(l, f.count)
        conductance[f.face[l]] = f.full[l] * f.mean[l];
    f.count = 0;
}

// The same of pairs of halves, whose `full` is the conductivity of full pores.
ROUTINE void take_pairs(SteepFaces& f, real shape, real* conductance)
{
    if (f.count == 0)
        return;
    EKM_LANES(l, f.count) {
        const real k = relative_at(f, l, -f.psi_b[l]);
        f.k_b[l] = f.psi_b[l] < -f.entry[l] ? k : real(1);
    }
    find_means(f);
    EKM_LANES(l, f.count) {
        const real alike = mean_of_ends(f.psi_a[l], f.psi_b[l], f.k_a[l], f.k_b[l], f.entry[l]);
        f.mean[l] = f.full[l] * (steep(f.k_a[l], f.k_b[l]) ? f.mean[l] : alike);
    }
    EKM_ENTRIES(l, f.count / 2)
        conductance[f.face[2 * l]] = series(f.mean[2 * l], f.mean[2 * l + 1], shape);
    f.count = 0;
}

INLINE bool usual(const Curve& c) { return c.model == 1 && !(c.share_2 > 0); }

// Conductance of a face between two rocks, or in one that is not `usual`.
INLINE real other_face(real psi_a, real psi_b, real k_a, real k_b, const Curve& one,
                       const Curve& two, real full, real conductivity_a, real conductivity_b,
                       real shape)
{
    if (same_shape(one, two))
        return full * face_mean(psi_a, psi_b, k_a, k_b, one);
    return series(
        conductivity_a * face_mean(psi_a, psi_b, k_a, wetness(psi_b, one).relative, one),
        conductivity_b * face_mean(psi_a, psi_b, wetness(psi_a, two).relative, k_b, two), shape);
}

// Hydraulic conductance of faces                                                    [m2/s]
KERNEL wet_faces(Grid g, const real* __restrict__ pressure_head,
                 const real* __restrict__ relative_conductivity,
                 const real* __restrict__ relative_slope, const real* __restrict__ EACH(12) curve,
                 const Flag* __restrict__ EACH(3) general,
                 const real* __restrict__ hydraulic_conductivity,
                 const real* __restrict__ EACH(3) full_conductance,
                 real* __restrict__ EACH(3) conductance)
{
    const Offset all = volume(g);
    EKM_TILES(t, g) {
        SteepFaces steeps, pairs;
        steeps.count = pairs.count = 0;
        real shape_of_pairs = 0;
        for (FaceRow f = face_row(t, g, 0); f.axis < 3; to_next(f, t, g)) {
            const real *psi = pressure_head + f.first, *k = relative_conductivity + f.first,
                *slope = relative_slope + f.first, *alpha = curve + all + f.first,
                *entry = curve + 6 * all + f.first, *full = full_conductance + f.side + f.first;
            const Flag* other = general + f.side + f.first;
            real* out = conductance + f.side + f.first;
            int steep_ones = 0, others = 0;
            EKM_ENTRIES(l, f.n) {
                const real mean = mean_of_ends(psi[l], psi[l + f.step], k[l], k[l + f.step],
                                               entry[l]);
                out[l] = full[l] > 0 ? full[l] * mean : real(0);
                steep_ones |= steep(k[l], k[l + f.step]) && full[l] > 0;
                others |= other[l];
            }
            if (steep_ones) {
                EKM_ENTRIES(l, f.n) {
                    const real mean = mean_of_slopes(psi[l], psi[l + f.step], k[l], k[l + f.step],
                                                     slope[l], slope[l + f.step], alpha[l]);
                    const bool mine = full[l] > 0 && steep(k[l], k[l + f.step]) && smooth(
                        psi[l], psi[l + f.step], k[l], k[l + f.step], entry[l]);
                    out[l] = mine ? full[l] * mean : out[l];
                }
                if (steeps.count + f.n > LANES)
                    take(steeps, conductance);
                EKM_ENTRIES(l, f.n)
                    if (full[l] > 0 && !other[l] && steep(k[l], k[l + f.step])
                        && !smooth(psi[l], psi[l + f.step], k[l], k[l + f.step], entry[l]))
                        add(steeps, curve_at(curve, f.first + l, all), f.side + f.first + l,
                            full[l], psi[l], psi[l + f.step], k[l], k[l + f.step]);
            }
            if (!others)
                continue;
            if (shape(g, f.axis) != shape_of_pairs)
                take_pairs(pairs, shape_of_pairs, conductance);
            shape_of_pairs = shape(g, f.axis);
            EKM_ENTRIES(l, f.n) {
                if (!other[l] || !(full[l] > 0))
                    continue;
                const Offset a = f.first + l, b = a + f.step;
                const Curve one = curve_at(curve, a, all), two = curve_at(curve, b, all);
                if (LANES == 1 || !usual(one) || !usual(two) || same_shape(one, two)) {
                    out[l] = other_face(psi[l], psi[l + f.step], k[l], k[l + f.step], one, two,
                                        full[l], hydraulic_conductivity[a],
                                        hydraulic_conductivity[b], shape_of_pairs);
                    continue;
                }
                if (pairs.count + 2 > LANES)
                    take_pairs(pairs, shape_of_pairs, conductance);
                add(pairs, one, f.side + a, hydraulic_conductivity[a], psi[l], psi[l + f.step],
                    k[l], 1);
                add(pairs, two, f.side + a, hydraulic_conductivity[b], psi[l + f.step], psi[l],
                    k[l + f.step], 1);
            }
        }
        take(steeps, conductance);
        take_pairs(pairs, shape_of_pairs, conductance);
    }
}

// Mean of K_r between pairs of pressure heads, on a curve for each; g: a row of as many voxels.
KERNEL means_between(Grid g, const real* __restrict__ LIST(count) psi_a,
                     const real* __restrict__ LIST(count) psi_b,
                     const real* __restrict__ LIST(count) relative_a,
                     const real* __restrict__ LIST(count) relative_b,
                     const real* __restrict__ EACH(12) LIST(count) curve, Offset count,
                     real* __restrict__ LIST(count) mean)
{
    EKM_TILES(t, g) {
        SteepFaces steeps;
        steeps.count = 0;
        EKM_ENTRIES(l, t.ni) {
            const Offset a = t.i + l;
            const Curve c = curve_at(curve, a, count);
            if (usual(c) && steep(relative_a[a], relative_b[a]))
                add(steeps, c, a, 1, psi_a[a], psi_b[a], relative_a[a], relative_b[a]);
            else
                mean[a] = face_mean(psi_a[a], psi_b[a], relative_a[a], relative_b[a], c);
        }
        take(steeps, mean);
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
            const real source = relative_osmosis[full_osmosis[face] > 0 ? a : a + f.step];
            water[face] = full_osmosis[face] * smaller(share, 2 * source);
        }
    }
}

// Water that a voxel lacks [m3/s], and stores per head [m2/s]
KERNEL stored_water(Grid g, const real* __restrict__ content, const real* __restrict__ capacity,
                    const real* __restrict__ relative_conductivity,
                    const real* __restrict__ steepest, const real* __restrict__ head,
                    const real* __restrict__ head_at_start,
                    const real* __restrict__ water_at_start, const real* __restrict__ elastic,
                    const real* __restrict__ specific_storage,
                    const real* __restrict__ EACH(12) curve, real slope, real dt,
                    real* __restrict__ coupling, real* __restrict__ weight,
                    real* __restrict__ missing)
{
    const real per_time = real(g.dx) * real(g.dy) * real(g.dz) / dt;
    EKM_VOXELS(i, j, k, g) {
        const Offset here = at(i, j, k, g);
        const real full = curve[4 * volume(g) + here];
        const real yields = specific_storage[here] * (full > 0 ? content[here] / full : real(0));
        const real stored = content[here]
                          + (elastic[here] + yields * (head[here] - head_at_start[here]));
        missing[here] = (water_at_start[here] - stored) * per_time;
        const real stores = (larger(capacity[here], slope * steepest[here]) + yields) * per_time;
        coupling[here] = stores;
        weight[here] = larger(relative_conductivity[here],
                              larger(real(STIFFEST) * stores, real(LEAST_K)));
    }
}
