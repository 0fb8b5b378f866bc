// Newton's method for the chemical equilibrium of many voxels; twin of ekm3d/newton.py. A lane is
// a voxel.
// needs chemistry/newton.cuh
// may fuse: the last pack of voxels goes through the same operations as the others

constexpr real LITRES = 1000;               // per m3

// Where a pack's voxels lie in arrays of a number per voxel; `close`: registers of neighbours.
struct Places {
    Offset at[LANES];
    bool close[LANES / PACK];
};

INLINE void fetch(const Places& p, const real* from, real* to)
{
    for (int first = 0; first < LANES; first += PACK)
        if (p.close[first / PACK])
            EKM_LANES(l, PACK) to[first + l] = from[p.at[first] + l];
        else
            for (int l = first; l < first + PACK; l++) to[l] = from[p.at[l]];
}

// Only where `good`.
INLINE void store(const Places& p, const real* good, const real* values, real* to)
{
    for (int first = 0; first < LANES; first += PACK) {
        real all = p.close[first / PACK];
        for (int l = first; l < first + PACK; l++) all *= good[l];
        if (all > 0)
            EKM_LANES(l, PACK) to[p.at[first] + l] = values[first + l];
        else
            for (int l = first; l < first + PACK; l++)
                if (good[l] > 0) to[p.at[l]] = values[l];
    }
}

// From the last equilibria of n voxels to those of their totals; done: 1 where it was reached, and
// there alone anything is written. `where`: places of the voxels in arrays of m numbers. The start
// is carried on by rate * elapsed where that is a small way.
KERNEL newton(Grid g, const Offset* __restrict__ LIST(n) where,
              const real* __restrict__ EACH(NK) LIST(m) total,
              const real* __restrict__ LIST(m) theta, const real* __restrict__ EACH(NX) LIST(m) cec,
              const real* __restrict__ EACH(NX) LIST(m) slope,
              const real* __restrict__ EACH(NX) LIST(m) reference,
              const int action_start[NT1], const int action_column[NACTION],
              const real action[NACTION], const int sum_start[NT1], const int sum_row[NSUM],
              const real sum[NSUM], const int direct_start[ND1], const int direct_source[NDIRECT],
              const int direct_at[ND], const real direct[NDIRECT], const real growth[NS][NG],
              const real sizes[NG], const real on[NT][NX], const real phase_nu[NP1][NK],
              const real phase_water[NP1], const real phase_constant[NP1], const int additive[NK],
              const int lackable[NK], const int gas_phase[NP1], const int order[NP1],
              const int masters[NP1], const int place[NU], const int entry[NU][NU],
              const int diagonal[NU], const int row_start[NU1], const int column[NFILL],
              const int move_start[NP2], const int move_from[NMOVE], const int move_to[NMOVE],
              const int below_start[NU1], const int below[NBELOW], const int target[NTARGET],
              const real per[NT], int n, int m, int hydrogen, int most_steps, real tolerance,
              real longest, real lowest, real highest, real elapsed, real furthest,
              real* __restrict__ EACH(NW) LIST(m) warm, real* __restrict__ EACH(NB) LIST(m) rate,
              real* __restrict__ EACH(NS) LIST(m) c, real* __restrict__ EACH(NE) LIST(m) exchanged,
              real* __restrict__ EACH(NM) LIST(m) solid, real* __restrict__ EACH(NGAS) LIST(m) gas,
              real* __restrict__ LIST(m) pH, real* __restrict__ LIST(m) strength,
              int* __restrict__ LIST(n) steps, Flag* __restrict__ LIST(n) done)
{
    const System s = {action_start, action_column, action, sum_start, sum_row, sum, direct_start,
                      direct_source, direct_at, direct, growth[0], sizes, on[0], phase_nu[0],
                      phase_water, phase_constant, additive, gas_phase, order, masters, place,
                      entry[0], diagonal, row_start, column, move_start, move_from, move_to,
                      below_start, below, target, hydrogen};
    EKM_TILES(t, g) {
        Pack p;
        Places v;
        Values last[NB], still, good, open, count, far;
        for (int l = 0; l < LANES; l++)                // lanes without a voxel repeat the first
            v.at[l] = where[t.i + (l < t.ni ? l : 0)];
        for (int l = 0; l < LANES; l += PACK)
            v.close[l / PACK] = v.at[l + PACK - 1] - v.at[l] == PACK - 1;
        fetch(v, theta, p.water);
        EKM_LANES(l, LANES) {
            open[l] = p.water[l] > 0 ? real(1) : real(0);
            p.water[l] *= LITRES;
            still[l] = count[l] = far[l] = 0;
        }
        for (int k = 0; k < NK; k++) {
            fetch(v, total + Offset(k) * m, p.total[k]);
            const real least = k == hydrogen ? -1 / SMALLEST : real(0);
            const real trace = lackable[k] ? TRACE : -1 / SMALLEST;
            EKM_LANES(l, LANES) {                      // unsound numbers are left to NumPy
                const real T = p.total[k][l];
                open[l] = T >= least && T <= 1 / SMALLEST ? open[l] : real(0);
                p.absent[k][l] = T <= trace ? real(1) : real(0);
            }
        }
        for (int i = 0; i < NX; i++) {
            fetch(v, cec + Offset(i) * m, p.cec[i]);
            fetch(v, slope + Offset(i) * m, p.slope[i]);
            fetch(v, reference + Offset(i) * m, p.reference[i]);
            EKM_LANES(l, LANES) {
                p.least[i][l] = (lowest - 1) * p.cec[i][l];
                p.most[i][l] = (highest - 1) * p.cec[i][l];
                open[l] = p.cec[i][l] >= 0 && p.slope[i][l] >= 0 ? open[l] : real(0);
            }
        }
        for (int b = 0; b < NB && elapsed > 0; b++) {
            fetch(v, rate + Offset(b) * m, p.x[b]);
            EKM_LANES(l, LANES) far[l] = larger(far[l], magnitude(p.x[b][l] * elapsed));
        }
        for (int b = 0; b < NB; b++) {
            fetch(v, warm + Offset(b) * m, last[b]);
            EKM_LANES(l, LANES)
                p.y[b][l] = last[b][l]
                          + (elapsed > 0 && far[l] <= furthest ? p.x[b][l] * elapsed : real(0));
        }
        for (int k = 0; k < NK; k++)                   // components that come and go
            EKM_LANES(l, LANES) {
                const real fresh = logarithm(larger(p.total[k][l], TRACE) / p.water[l]);
                const real y = p.y[k][l] <= MISSING && p.total[k][l] > 0 ? fresh : p.y[k][l];
                p.y[k][l] = p.absent[k][l] > 0 ? MISSING : y;
            }
        for (int q = 0; q < NP; q++) {
            if (q < NM)
                fetch(v, warm + Offset(NB + q) * m, p.y[NB + q]);
            EKM_LANES(l, LANES) {
                p.y[NB + q][l] = q < NM ? p.y[NB + q][l] : real(0);
                p.active[q][l] = q >= NM || p.y[NB + q][l] > 0 ? real(1) : real(0);
            }
        }
        for (int l = 0; l < t.ni; l++)
            done[t.i + l] = open[l] > 0;
        for (int l = t.ni; l < LANES; l++)
            open[l] = 0;
        for (int step = 0; step <= most_steps; step++) {
            residual(s, p);
            judge(s, p, tolerance, still, good);
            real left = 0;
            for (int l = 0; l < LANES; l++) {
                open[l] = good[l] > 0 ? real(0) : open[l];
                left += open[l];
            }
            if (left == 0 || step == most_steps)
                break;
            assemble(s, p);
            place_phases(s, p);
            eliminate(s, p);
            Values share;
            EKM_LANES(l, LANES) share[l] = 0;
            for (int b = 0; b < NB; b++)
                EKM_LANES(l, LANES)
                    share[l] = larger(share[l], magnitude(p.x[s.place[b]][l]));
            EKM_LANES(l, LANES) {
                still[l] = share[l] < real(1e-13) ? 1 : 0;
                share[l] = share[l] > longest ? longest / share[l] : real(1);
                count[l] += open[l];
            }
            for (int u = 0; u < NU; u++)
                EKM_LANES(l, LANES)
                    p.y[u][l] += open[l] > 0 ? share[l] * p.x[s.place[u]][l] : real(0);
            for (int q = 0; q < NP; q++)
                EKM_LANES(l, LANES)
                    p.y[NB + q][l] *= open[l] > 0 ? p.active[q][l] : real(1);
        }
        for (int l = 0; l < LANES; l++)
            good[l] = l < t.ni && done[t.i + l] && open[l] == 0;
        for (int l = 0; l < t.ni; l++) {
            steps[t.i + l] = int(count[l]);
            done[t.i + l] = good[l] > 0;
        }
        Values out;
        for (int e = 0; e < NT; e++) {
            const real* term = p.source[e];
            EKM_LANES(l, LANES)
                out[l] = e < NS ? term[l] * (LITRES / p.water[l]) : term[l] / per[e];
            store(v, good, out, e < NS ? c + Offset(e) * m : exchanged + Offset(e - NS) * m);
        }
        for (int u = 0; u < NW; u++)
            store(v, good, p.y[u], warm + Offset(u) * m);
        for (int q = 0; q < NM; q++)
            store(v, good, p.y[NB + q], solid + Offset(q) * m);
        for (int q = NM; q < NP; q++) {
            EKM_LANES(l, LANES) out[l] = -p.y[NB + q][l];
            store(v, good, out, gas + Offset(q - NM) * m);
        }
        for (int b = 0; b < NB && elapsed > 0; b++) {
            EKM_LANES(l, LANES) out[l] = (p.y[b][l] - last[b][l]) / elapsed;
            store(v, good, out, rate + Offset(b) * m);
        }
        EKM_LANES(l, LANES) out[l] = -p.y[hydrogen][l] / LN10;
        store(v, good, out, pH);
        store(v, good, p.strength, strength);
    }
}
