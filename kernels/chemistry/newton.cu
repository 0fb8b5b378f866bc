// Newton's method for the chemical equilibrium of many voxels; twin of ekm3d/chemistry/newton.py.
// One voxel per lane; a pack of LANES = PACK voxels on the host, a thread on the GPU.
// needs functions.cuh
// needs chemistry/newton.cuh
// may fuse: the last pack of voxels goes through the same operations as the others

// Add up the terms of the equations: errors and scales of which the rest is still missing.
ROUTINE void sum_terms(const System& s, Pack& p, const Values* factors)
{
    // written: terms
}

// Solve Newton's equations A x = b by LU elimination.
ROUTINE void solve(const System& s, Pack& p)
{
    Values water_activity;
    EKM_LANES(l, LANES) water_activity[l] = exponential(p.y[AT_W][l]);
    // written: elimination
}

// Flat indices of a pack's voxels; close: they are neighbours in memory; whole: and all converged.
struct VoxelIndices {
    Offset at[LANES];
    bool close, whole;
};

// Read the values of a pack's voxels.
template <class Number>
INLINE void gather(const VoxelIndices& v, const Number* from, real* to)
{
    if (v.close)
        EKM_LANES(l, LANES) to[l] = from[v.at[0] + l];
    else
        for (int l = 0; l < LANES; l++) to[l] = from[v.at[l]];
}

// Write the values of a pack's voxels where `good`.
template <class Number>
INLINE void scatter(const VoxelIndices& v, const real* good, const real* values, Number* to)
{
    if (v.whole)
        EKM_LANES(l, LANES) to[v.at[0] + l] = Number(values[l]);
    else
        for (int l = 0; l < LANES; l++)
            if (good[l] > 0) to[v.at[l]] = Number(values[l]);
}

// Bring a voxel of `count` arrays of m numbers into the cache: no processor foresees so many.
template <class Number>
INLINE void fetch_each(const Number* first, int count, int m, Offset voxel)
{
    for (int e = 0; e < count; e++)
        fetch_ahead(first + Offset(e) * m + voxel);
}

// Solve n voxels from their last equilibria; done: 1 where a voxel converged, and no other voxel is
// written to. `where`: flat indices of the voxels in arrays of m numbers. The warm start is
// extrapolated by rate * elapsed where no logarithm changes by more than max_extrapolation. The
// tables are described in NewtonTables of newton.py, which passes all arguments by name.
KERNEL newton(Grid g, const Offset* __restrict__ LIST(n) where,
              const real* __restrict__ EACH(NK) LIST(m) total,
              const real* __restrict__ LIST(m) theta, const real* __restrict__ EACH(NX) LIST(m) cec,
              const real* __restrict__ EACH(NX) LIST(m) slope,
              const real* __restrict__ EACH(NX) LIST(m) reference_pH,
              const real action_weight[NACTION], const real sum_weight[NSUM],
              const real sum_size[NSUM], const real direct_weight[NDIRECT],
              const real growth[NT][NG], const real sizes[NG], const real on[NT][NX],
              const real phase_nu[NP1][NK], const real phase_water[NP1],
              const real phase_constant[NP1], const int may_lack[NK], const int gas_phase[NP1],
              const real per[NT], int n, int m, int hydrogen, int max_steps, real tolerance,
              real max_log_change, real lowest, real highest, real elapsed, real max_extrapolation,
              real* __restrict__ EACH(NW) LIST(m) warm_start,
              single* __restrict__ EACH(NB) LIST(m) rate,
              real* __restrict__ EACH(NS) LIST(m) c, real* __restrict__ EACH(NE) LIST(m) exchanged,
              real* __restrict__ EACH(NGAS) LIST(m) gas,
              real* __restrict__ LIST(m) pH, real* __restrict__ LIST(m) strength,
              int* __restrict__ LIST(n) steps, Flag* __restrict__ LIST(n) done)
{
    System s;
    s.action = action_weight, s.direct = direct_weight, s.sum = sum_weight, s.size = sum_size;
    s.growth = growth[0], s.sizes = sizes, s.on = on[0];
    s.phase_nu = phase_nu[0], s.phase_water = phase_water, s.phase_constant = phase_constant;
    s.gas = gas_phase, s.hydrogen = hydrogen;
    EKM_TILES(t, g) {
        Pack p;
        VoxelIndices v;
        Values still, good, open, count, far;
        for (int l = 0; l < LANES; l++)                // lanes without a voxel repeat the first
            v.at[l] = where[t.i + (l < t.ni ? l : 0)];
        v.close = v.at[LANES - 1] - v.at[0] == LANES - 1;
        gather(v, theta, p.water);
        EKM_LANES(l, LANES) {
            open[l] = p.water[l] > 0 ? real(1) : real(0);
            p.water[l] *= LITRES;
            still[l] = count[l] = far[l] = 0;
        }
        EKM_UNROLL for (int k = 0; k < NK; k++) {
            gather(v, total + Offset(k) * m, p.total[k]);
            const real least = k == hydrogen ? -1 / SMALLEST : real(0);
            const real trace = may_lack[k] ? TRACE : -1 / SMALLEST;
            EKM_LANES(l, LANES) {                      // unsound numbers are left to NumPy
                const real T = p.total[k][l];
                open[l] = T >= least && T <= 1 / SMALLEST ? open[l] : real(0);
                p.absent[k][l] = T <= trace ? real(1) : real(0);
            }
        }
        EKM_UNROLL for (int i = 0; i < NX; i++) {
            gather(v, cec + Offset(i) * m, p.cec[i]);
            gather(v, slope + Offset(i) * m, p.slope[i]);
            gather(v, reference_pH + Offset(i) * m, p.reference[i]);
            EKM_LANES(l, LANES) {
                p.least[i][l] = (lowest - 1) * p.cec[i][l];
                p.most[i][l] = (highest - 1) * p.cec[i][l];
                open[l] = p.cec[i][l] >= 0 && p.slope[i][l] >= 0 ? open[l] : real(0);
            }
        }
        EKM_UNROLL for (int b = 0; b < NB && elapsed > 0; b++) {
            gather(v, rate + Offset(b) * m, p.x[b]);
            EKM_LANES(l, LANES) far[l] = larger(far[l], magnitude(p.x[b][l] * elapsed));
        }
        EKM_UNROLL for (int b = 0; b < NB; b++) {
            Values last;
            gather(v, warm_start + Offset(b) * m, last);
            EKM_LANES(l, LANES)
                p.y[b][l] = last[l] + (elapsed > 0 && far[l] <= max_extrapolation
                                           ? p.x[b][l] * elapsed : real(0));
        }
        // absent components, and those that appear
        EKM_UNROLL for (int k = 0; k < NK; k++) {
            real appears = 0;
            for (int l = 0; l < LANES; l++)
                appears += p.y[k][l] <= MISSING && p.total[k][l] > 0 ? real(1) : real(0);
            if (appears > 0)
                EKM_LANES(l, LANES) {
                    const real fresh = logarithm(larger(p.total[k][l], TRACE) / p.water[l]);
                    p.y[k][l] = p.y[k][l] <= MISSING && p.total[k][l] > 0 ? fresh : p.y[k][l];
                }
            EKM_LANES(l, LANES) p.y[k][l] = p.absent[k][l] > 0 ? MISSING : p.y[k][l];
        }
        EKM_UNROLL for (int q = 0; q < NP; q++) {
            if (q < NM)
                gather(v, warm_start + Offset(NB + q) * m, p.y[NB + q]);
            EKM_LANES(l, LANES) {
                p.y[NB + q][l] = q < NM ? p.y[NB + q][l] : real(0);
                p.active[q][l] = q >= NM || p.y[NB + q][l] > 0 ? real(1) : real(0);
            }
        }
        for (int l = 0; l < t.ni; l++)
            done[t.i + l] = open[l] > 0;
        for (int l = t.ni; l < LANES; l++)
            open[l] = 0;
        for (int end = 0; end < 2 && LANES > 1 && t.i + t.ni < n; end++) {      // of the next pack
            const int last = t.i + t.ni + LANES - 1;
            const Offset next = where[end == 0 ? t.i + t.ni : last < n ? last : n - 1];
            fetch_each(theta, 1, m, next), fetch_each(total, NK, m, next);
            fetch_each(cec, NX, m, next), fetch_each(slope, NX, m, next);
            fetch_each(reference_pH, NX, m, next), fetch_each(rate, NB, m, next);
            fetch_each(warm_start, NW, m, next), fetch_each(c, NS, m, next);
            fetch_each(exchanged, NE, m, next), fetch_each(gas, NGAS, m, next);
            fetch_each(pH, 1, m, next), fetch_each(strength, 1, m, next);
        }
        for (int step = 0; step <= max_steps; step++) {
            residual(s, p);
            check_convergence(s, p, tolerance, still, good);
            real left = 0;
            for (int l = 0; l < LANES; l++) {
                open[l] = good[l] > 0 ? real(0) : open[l];
                left += open[l];
            }
            if (left == 0 || step == max_steps)
                break;
            differentiate(s, p);
            solve(s, p);
            Values share;
            EKM_LANES(l, LANES) share[l] = 0;
            EKM_UNROLL for (int b = 0; b < NB; b++)
                EKM_LANES(l, LANES)
                    share[l] = larger(share[l], magnitude(p.x[b][l]));
            EKM_LANES(l, LANES) {
                still[l] = share[l] < real(1e-13) ? 1 : 0;
                share[l] = share[l] > max_log_change ? max_log_change / share[l] : real(1);
                count[l] += open[l];
            }
            EKM_UNROLL for (int u = 0; u < NU; u++)
                EKM_LANES(l, LANES)
                    p.y[u][l] += open[l] > 0 ? share[l] * p.x[u][l] : real(0);
            EKM_UNROLL for (int q = 0; q < NP; q++)
                EKM_LANES(l, LANES)
                    p.y[NB + q][l] *= open[l] > 0 ? p.active[q][l] : real(1);
        }
        for (int l = 0; l < LANES; l++)
            good[l] = l < t.ni && done[t.i + l] && open[l] == 0;
        for (int l = 0; l < t.ni; l++) {
            steps[t.i + l] = int(count[l]);
            done[t.i + l] = good[l] > 0;
        }
        v.whole = v.close;
        for (int l = 0; l < LANES; l++) v.whole = v.whole && good[l] > 0;
        Values out;
        EKM_UNROLL for (int e = 0; e < NT; e++) {
            const real* term = p.source[e];
            EKM_LANES(l, LANES)
                out[l] = e < NS ? term[l] * (LITRES / p.water[l]) : term[l] / per[e];
            scatter(v, good, out, e < NS ? c + Offset(e) * m : exchanged + Offset(e - NS) * m);
        }
        EKM_UNROLL for (int b = 0; b < NB && elapsed > 0; b++) {
            const real* began = warm_start + Offset(b) * m;
            EKM_LANES(l, LANES) out[l] = (p.y[b][l] - read_again(began + v.at[l])) / elapsed;
            scatter(v, good, out, rate + Offset(b) * m);
        }
        EKM_UNROLL for (int u = 0; u < NW; u++)
            scatter(v, good, p.y[u], warm_start + Offset(u) * m);
        EKM_UNROLL for (int q = NM; q < NP; q++) {
            EKM_LANES(l, LANES) out[l] = -p.y[NB + q][l];
            scatter(v, good, out, gas + Offset(q - NM) * m);
        }
        EKM_LANES(l, LANES) out[l] = -p.y[hydrogen][l] / LN10;
        scatter(v, good, out, pH);
        scatter(v, good, p.strength, strength);
    }
}
