// Newton's method for the chemical equilibrium of many voxels; twin of ekm3d/newton.py. A lane is
// a voxel.
// needs newton.cuh

constexpr real LITRES = 1000;               // per m3

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
        Values last[NB], still, good, open, count;
        Offset at[LANES];
        for (int l = 0; l < LANES; l++)                // lanes without a voxel repeat the first
            at[l] = where[t.i + (l < t.ni ? l : 0)];
        // What the code has no room for is left out: unsound numbers, components that are absent.
        for (int l = 0; l < LANES; l++) {
            const real share = theta[at[l]];
            p.water[l] = LITRES * share;
            open[l] = share > 0 ? 1 : 0;
            still[l] = count[l] = 0;
        }
        for (int k = 0; k < NK; k++)
            for (int l = 0; l < LANES; l++) {
                const real T = p.total[k][l] = total[Offset(k) * m + at[l]];
                const bool sound = magnitude(T) <= 1 / SMALLEST && (T >= 0 || k == hydrogen);
                open[l] = sound && !(T <= TRACE && lackable[k]) ? open[l] : real(0);
            }
        for (int i = 0; i < NX; i++)
            for (int l = 0; l < LANES; l++) {
                const Offset a = Offset(i) * m + at[l];
                p.cec[i][l] = cec[a], p.slope[i][l] = slope[a], p.reference[i][l] = reference[a];
                p.least[i][l] = (lowest - 1) * cec[a], p.most[i][l] = (highest - 1) * cec[a];
                open[l] = cec[a] >= 0 && slope[a] >= 0 ? open[l] : real(0);
            }
        Values far;
        EKM_LANES(l, LANES) far[l] = 0;
        for (int b = 0; b < NB; b++)
            for (int l = 0; l < LANES; l++) {
                const Offset a = Offset(b) * m + at[l];
                last[b][l] = warm[a];
                p.y[b][l] = elapsed > 0 ? rate[a] * elapsed : real(0);
                far[l] = larger(far[l], magnitude(p.y[b][l]));
            }
        for (int b = 0; b < NB; b++)
            EKM_LANES(l, LANES) p.y[b][l] = last[b][l] + (far[l] <= furthest ? p.y[b][l] : real(0));
        for (int k = 0; k < NK; k++)                   // a component that was absent
            EKM_LANES(l, LANES) {
                const real fresh = logarithm(larger(p.total[k][l], TRACE) / p.water[l]);
                p.y[k][l] = p.y[k][l] <= MISSING && p.total[k][l] > 0 ? fresh : p.y[k][l];
            }
        for (int q = 0; q < NP; q++)
            for (int l = 0; l < LANES; l++) {
                p.y[NB + q][l] = q < NM ? warm[Offset(NB + q) * m + at[l]] : real(0);
                p.active[q][l] = q >= NM || p.y[NB + q][l] > 0 ? 1 : 0;
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
        for (int l = 0; l < t.ni; l++) {
            steps[t.i + l] = int(count[l]);
            done[t.i + l] = done[t.i + l] && open[l] == 0;
            good[l] = done[t.i + l];
        }
        Values out;
        for (int e = 0; e < NT; e++) {
            EKM_LANES(l, LANES)
                out[l] = e < NS ? p.source[e][l] * (LITRES / p.water[l]) : p.source[e][l] / per[e];
            real* to = e < NS ? c + Offset(e) * m : exchanged + Offset(e - NS) * m;
            for (int l = 0; l < t.ni; l++)
                if (good[l] > 0) to[at[l]] = out[l];
        }
        for (int u = 0; u < NU; u++) {
            real* to = u < NW ? warm + Offset(u) * m : gas + Offset(u - NW) * m;
            for (int l = 0; l < t.ni; l++)
                if (good[l] > 0) to[at[l]] = u < NW ? p.y[u][l] : -p.y[u][l];
        }
        for (int q = 0; q < NM; q++)
            for (int l = 0; l < t.ni; l++)
                if (good[l] > 0) solid[Offset(q) * m + at[l]] = p.y[NB + q][l];
        for (int b = 0; b < NB && elapsed > 0; b++) {
            EKM_LANES(l, LANES) out[l] = (p.y[b][l] - last[b][l]) / elapsed;
            for (int l = 0; l < t.ni; l++)
                if (good[l] > 0) rate[Offset(b) * m + at[l]] = out[l];
        }
        for (int l = 0; l < t.ni; l++)
            if (good[l] > 0) {
                pH[at[l]] = -p.y[hydrogen][l] / LN10;
                strength[at[l]] = p.strength[l];
            }
    }
}
