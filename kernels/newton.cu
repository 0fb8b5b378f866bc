// Newton's method for the chemical equilibrium of many voxels; twin of ekm3d/newton.py, where the
// equations are. A lane is a voxel; what is zero in all voxels is left out by lists of entries.

constexpr int NB = NK + NX + 2;             // unknowns ln a, ln x, ln I, ln a_w; NU with amounts
constexpr int AT_I = NK + NX, AT_W = NK + NX + 1;
constexpr int FACTORS = NK + NX + 1 + NG + 1 + NX + 1;      // what ln of a term is a sum of
constexpr real LN10 = real(2.302585092994045684);
constexpr real MISSING = -10000, LARGEST = 60, SATURATED = real(1e-10);
constexpr real LEAST = sizeof(real) == 8 ? real(1e-100) : SMALLEST;

// The system, the same in all voxels. CSR: entries of row r are those from start[r] to start[r+1].
struct System {
    const int *action_start, *action_column;
    const real* action;                     // ln terms = action @ factors
    const int *sum_start, *sum_row;
    const real* sum;                        // equations, by terms
    const int *direct_start, *direct_term, *direct_row, *direct_column;
    const real* direct;                     // derivatives that are sums over terms
    const real *growth, *sizes, *hydrated, *on;     // (NS, NG), (NG - 1), (NT), (NE, NX)
    const real *phase_nu, *phase_water, *phase_constant;
    const int *additive, *gas, *order, *masters, *place, *below_start, *below, *right_start, *right;
    int hydrogen;
};

// One pack of voxels: given, unknown and worked out.
struct Pack {
    Lanes total[NK], water, cec[NX], slope[NX], reference[NX], least[NX], most[NX];
    Lanes y[NU], active[NP + 1];
    Lanes terms[NT], error[NB], scale[NB], saturation[NP + 1], site[NX], site_slope[NX], strength;
    Lanes A[NU][NU + 1], x[NU];
};

ROUTINE void residual(const System& s, Pack& p)
{
    Lanes factors[FACTORS];
    EKM_LANES(l, LANES) {
        for (int k = 0; k < NK; k++)
            factors[k][l] = p.y[k][l];
        factors[NK + NX][l] = p.y[AT_W][l];
        p.strength[l] = exponential(p.y[AT_I][l]);
        const real root = square_root(p.strength[l]);
        for (int a = 0; a < NG - 1; a++)
            factors[NK + NX + 1 + a][l] = root / (1 + s.sizes[a] * root);
        factors[NK + NX + NG][l] = p.strength[l];
        factors[NK + NX + NG + 1][l] = logarithm(p.water[l]);
        factors[FACTORS - 1][l] = 1;
    }
    Lanes held, spread;
    EKM_LANES(l, LANES) held[l] = spread[l] = 0;
    for (int i = 0; i < NX; i++)
        EKM_LANES(l, LANES) {
            const real line = p.slope[i][l] * (-p.y[s.hydrogen][l] / LN10 - p.reference[i][l]);
            const real given = smaller(larger(line, p.least[i][l]), p.most[i][l]);
            const real X = p.cec[i][l] + given;
            p.site[i][l] = X;
            p.site_slope[i][l] = given == line ? -p.slope[i][l] / LN10 : real(0);
            factors[NK + i][l] = X > 0 ? p.y[NK + i][l] : real(0);
            factors[NK + NX + NG + 2 + i][l] = X > 0 ? logarithm(larger(X, LEAST)) : MISSING;
            held[l] += given, spread[l] += magnitude(given);
        }
    for (int b = 0; b < NB; b++)
        EKM_LANES(l, LANES) p.error[b][l] = p.scale[b][l] = 0;
    for (int t = 0; t < NT; t++) {
        Lanes power;
        EKM_LANES(l, LANES) power[l] = 0;
        for (int e = s.action_start[t]; e < s.action_start[t + 1]; e++) {
            const real by = s.action[e];
            const real* factor = factors[s.action_column[e]];
            EKM_LANES(l, LANES) power[l] += by * factor[l];
        }
        EKM_LANES(l, LANES) p.terms[t][l] = exponential(smaller(power[l], LARGEST));
        for (int e = s.sum_start[t]; e < s.sum_start[t + 1]; e++) {
            const real by = s.sum[e], size = magnitude(by);
            real *error = p.error[s.sum_row[e]], *scale = p.scale[s.sum_row[e]];
            EKM_LANES(l, LANES) {
                error[l] += by * p.terms[t][l];
                scale[l] += size * p.terms[t][l];
            }
        }
    }
    for (int k = 0; k < NK; k++)
        EKM_LANES(l, LANES) {
            p.error[k][l] -= p.total[k][l];
            p.scale[k][l] += magnitude(p.total[k][l]);
        }
    for (int i = 0; i < NX; i++)
        EKM_LANES(l, LANES) {
            const bool bare = p.site[i][l] <= 0;
            p.error[NK + i][l] = bare ? real(0) : p.error[NK + i][l] - p.site[i][l];
            p.scale[NK + i][l] = bare ? real(1) : p.site[i][l];
        }
    EKM_LANES(l, LANES) {
        p.scale[AT_I][l] = p.error[AT_I][l] + p.water[l] * (p.strength[l] + real(1e-6));
        p.scale[AT_W][l] = p.water[l];
        p.error[AT_I][l] -= p.water[l] * p.strength[l];
        p.error[AT_W][l] -= p.water[l] * (1 - exponential(p.y[AT_W][l]));
        p.error[s.hydrogen][l] -= held[l];
        p.scale[s.hydrogen][l] += spread[l];
    }
    for (int m = 0; m < NP; m++) {
        EKM_LANES(l, LANES)
            p.saturation[m][l] = s.phase_water[m] * p.y[AT_W][l] - s.phase_constant[m];
        for (int k = 0; k < NK; k++) {
            const real nu = s.phase_nu[m * NK + k];
            if (nu != 0)
                EKM_LANES(l, LANES) {
                    p.saturation[m][l] += nu * p.y[k][l];
                    p.error[k][l] += nu * p.y[NB + m][l];
                    p.scale[k][l] += magnitude(nu * p.y[NB + m][l]);
                }
        }
    }
}

// Which phases are to be present; a voxel's equations hold (good) if that changes nothing.
ROUTINE void judge(const System& s, Pack& p, real tolerance, const real* still, real* good)
{
    EKM_LANES(l, LANES) {
        const real allowed = still[l] > 0 ? larger(tolerance, real(1e-10)) : tolerance;
        real fine = 1;
        for (int b = 0; b < NB; b++)
            fine = magnitude(p.error[b][l]) <= allowed * p.scale[b][l] ? fine : real(0);
        good[l] = fine;
    }
    for (int m = 0; m < NP; m++) {
        Lanes rarest;
        EKM_LANES(l, LANES) rarest[l] = 1 / SMALLEST;
        for (int k = 0; k < NK; k++)
            if (s.phase_nu[m * NK + k] != 0 && k != s.hydrogen)
                EKM_LANES(l, LANES) rarest[l] = smaller(rarest[l], p.scale[k][l]);
        const bool gas = s.gas[m];
        EKM_LANES(l, LANES) {
            const real amount = p.y[NB + m][l], excess = p.saturation[m][l];
            const bool present = amount > 0 ? amount / rarest[l] + excess > -SATURATED
                                            : excess > SATURATED;
            const real now = p.active[m][l], wanted = gas || present ? real(1) : real(0);
            const real slack = now > 0 ? excess : amount;
            good[l] = wanted == now && magnitude(slack) <= SATURATED ? good[l] : real(0);
            p.active[m][l] = wanted;
        }
    }
}

// The matrix of Newton's method, rows and columns in the order of elimination.
ROUTINE void assemble(const System& s, Pack& p)
{
    const int* at = s.place;
    const int row_i = at[AT_I], row_w = at[AT_W], row_h = at[s.hydrogen];
    for (int r = 0; r < NU; r++)
        for (int c = 0; c <= NU; c++)
            EKM_LANES(l, LANES) p.A[r][c][l] = 0;
    for (int d = 0; d < ND; d++) {
        real* entry = p.A[s.direct_row[d]][s.direct_column[d]];
        for (int e = s.direct_start[d]; e < s.direct_start[d + 1]; e++) {
            const real by = s.direct[e], *term = p.terms[s.direct_term[e]];
            EKM_LANES(l, LANES) entry[l] += by * term[l];
        }
    }
    Lanes slopes[NG];
    EKM_LANES(l, LANES) {
        const real root = square_root(p.strength[l]);
        for (int a = 0; a < NG - 1; a++)
            slopes[a][l] = root / 2 / ((1 + s.sizes[a] * root) * (1 + s.sizes[a] * root));
        slopes[NG - 1][l] = p.strength[l];
    }
    for (int t = 0; t < NT; t++) {
        Lanes by_i, by_h;
        EKM_LANES(l, LANES) by_i[l] = by_h[l] = 0;
        if (t < NS)
            for (int a = 0; a < NG; a++) {
                const real growth = s.growth[t * NG + a];
                if (growth != 0)
                    EKM_LANES(l, LANES) by_i[l] += growth * slopes[a][l] * p.terms[t][l];
            }
        else
            for (int i = 0; i < NX; i++) {
                const real on = s.on[t * NX + i];
                if (on != 0)
                    EKM_LANES(l, LANES) by_h[l] += p.site[i][l] > 0
                        ? on * p.site_slope[i][l] / p.site[i][l] * p.terms[t][l] : real(0);
            }
        const real hydrated = s.hydrated[t];
        for (int e = s.sum_start[t]; e < s.sum_start[t + 1]; e++) {
            const real by = s.sum[e];
            Lanes* row = p.A[at[s.sum_row[e]]];
            if (t < NS)
                EKM_LANES(l, LANES) row[row_i][l] += by * by_i[l];
            else
                EKM_LANES(l, LANES) row[row_h][l] += by * by_h[l];
            if (hydrated != 0)
                EKM_LANES(l, LANES) row[row_w][l] += by * hydrated * p.terms[t][l];
        }
    }
    EKM_LANES(l, LANES) {
        p.A[row_i][row_i][l] -= p.water[l] * p.strength[l];
        p.A[row_w][row_w][l] += p.water[l] * exponential(p.y[AT_W][l]);
    }
    for (int i = 0; i < NX; i++)
        EKM_LANES(l, LANES) {
            p.A[row_h][row_h][l] -= p.site_slope[i][l];
            p.A[at[NK + i]][row_h][l] -= p.site_slope[i][l];
            p.A[at[NK + i]][at[NK + i]][l] += p.site[i][l] > 0 ? real(0) : real(1);
        }
    for (int b = 0; b < NB; b++)
        EKM_LANES(l, LANES) {
            real error = p.error[b][l];
            if (b < AT_I) {
                p.A[at[b]][at[b]][l] += LEAST * p.scale[b][l];
                // P ln(P/T) for P - T where no phase takes part and all terms are positive
                const real target = b < NK ? p.total[b][l] : p.site[b - NK][l];
                const real sum = error + target;
                bool plain = !(sum > 0) || !(target > 0) || (b < NK && !s.additive[b]);
                for (int m = 0; m < NP && b < NK; m++)
                    plain |= s.phase_nu[m * NK + b] != 0 && p.active[m][l] > 0;
                error = plain ? error : sum * logarithm(plain ? real(1) : sum / target);
            }
            p.A[at[b]][NU][l] = -error;
        }
}

// Where a phase is present its saturation takes the place of its master's balance, which moves to
// the row of the phase's amount.
ROUTINE void place_phases(const System& s, Pack& p)
{
    const int* at = s.place;
    for (int m = 0; m < NP; m++)
        for (int k = 0; k < NK; k++)
            if (s.phase_nu[m * NK + k] != 0)
                EKM_LANES(l, LANES)
                    p.A[at[k]][at[NB + m]][l] = p.active[m][l] * s.phase_nu[m * NK + k];
    for (int n = 0; n < NP; n++) {
        const int m = s.order[n], row = at[NB + m], own = at[s.masters[n]];
        for (int c = 0; c <= NU; c++)
            EKM_LANES(l, LANES) {
                p.A[row][c][l] = p.active[m][l] * p.A[own][c][l];
                p.A[own][c][l] *= 1 - p.active[m][l];
            }
        EKM_LANES(l, LANES) p.A[row][row][l] += 1 - p.active[m][l];
        for (int k = 0; k < NK; k++)
            if (s.phase_nu[m * NK + k] != 0)
                EKM_LANES(l, LANES)
                    p.A[own][at[k]][l] += p.active[m][l] * s.phase_nu[m * NK + k];
        EKM_LANES(l, LANES) {
            p.A[own][at[AT_W]][l] += p.active[m][l] * s.phase_water[m];
            p.A[own][NU][l] -= p.active[m][l] > 0 ? p.saturation[m][l] : real(0);
        }
    }
}

// x of A x = b, b the last column; which entries can be other than 0 is known beforehand.
ROUTINE void eliminate(const System& s, Pack& p)
{
    for (int r = 0; r < NU; r++) {
        Lanes inverse, factor;
        EKM_LANES(l, LANES) inverse[l] = 1 / p.A[r][r][l];
        for (int e = s.below_start[r]; e < s.below_start[r + 1]; e++) {
            Lanes* row = p.A[s.below[e]];
            EKM_LANES(l, LANES) {
                factor[l] = row[r][l] * inverse[l];
                row[NU][l] -= factor[l] * p.A[r][NU][l];
            }
            for (int f = s.right_start[r]; f < s.right_start[r + 1]; f++) {
                const int c = s.right[f];
                EKM_LANES(l, LANES) row[c][l] -= factor[l] * p.A[r][c][l];
            }
        }
    }
    for (int r = NU - 1; r >= 0; r--) {
        EKM_LANES(l, LANES) p.x[r][l] = p.A[r][NU][l];
        for (int f = s.right_start[r]; f < s.right_start[r + 1]; f++) {
            const int c = s.right[f];
            EKM_LANES(l, LANES) p.x[r][l] -= p.A[r][c][l] * p.x[c][l];
        }
        EKM_LANES(l, LANES) p.x[r][l] /= p.A[r][r][l];
    }
}

// From the states y of all voxels to their equilibria; done: 1 where it was reached.
KERNEL newton(Grid g, const real* __restrict__ EACH(NK) LIST(n) total,
              const real* __restrict__ LIST(n) water, const real* __restrict__ EACH(NX) LIST(n) cec,
              const real* __restrict__ EACH(NX) LIST(n) slope,
              const real* __restrict__ EACH(NX) LIST(n) reference,
              const real* __restrict__ EACH(NX) LIST(n) least,
              const real* __restrict__ EACH(NX) LIST(n) most,
              const real* __restrict__ EACH(NU) LIST(n) start,
              const int action_start[NT1], const int action_column[NACTION],
              const real action[NACTION], const int sum_start[NT1], const int sum_row[NSUM],
              const real sum[NSUM], const int direct_start[ND1], const int direct_term[NDIRECT],
              const int direct_row[ND], const int direct_column[ND], const real direct[NDIRECT],
              const real growth[NS][NG], const real sizes[NG], const real hydrated[NT],
              const real on[NT][NX], const real phase_nu[NP1][NK], const real phase_water[NP1],
              const real phase_constant[NP1], const int additive[NK], const int gas[NP1],
              const int order[NP1], const int masters[NP1], const int place[NU],
              const int below_start[NU1], const int below[NBELOW], const int right_start[NU1],
              const int right[NRIGHT], int n, int hydrogen, int most_steps, real tolerance,
              real longest, real* __restrict__ EACH(NU) LIST(n) y,
              real* __restrict__ EACH(NT) LIST(n) terms, real* __restrict__ EACH(NX) LIST(n) site,
              int* __restrict__ LIST(n) steps, Flag* __restrict__ LIST(n) done)
{
    const System s = {action_start, action_column, action, sum_start, sum_row, sum, direct_start,
                      direct_term, direct_row, direct_column, direct, growth[0], sizes, hydrated,
                      on[0], phase_nu[0], phase_water, phase_constant, additive, gas, order,
                      masters, place, below_start, below, right_start, right, hydrogen};
    EKM_TILES(t, g) {
        Pack p;
        Lanes still, good, open, count;
        for (int l = 0; l < LANES; l++) {
            const Offset v = t.i + (l < t.ni ? l : 0);
            for (int k = 0; k < NK; k++) p.total[k][l] = total[Offset(k) * n + v];
            for (int i = 0; i < NX; i++) {
                const Offset a = Offset(i) * n + v;
                p.cec[i][l] = cec[a], p.slope[i][l] = slope[a], p.reference[i][l] = reference[a];
                p.least[i][l] = least[a], p.most[i][l] = most[a];
            }
            for (int u = 0; u < NU; u++) p.y[u][l] = start[Offset(u) * n + v];
            for (int m = 0; m < NP; m++)
                p.active[m][l] = s.gas[m] || p.y[NB + m][l] > 0 ? 1 : 0;
            p.water[l] = water[v];
            still[l] = count[l] = 0;
            open[l] = l < t.ni;
            if (l < t.ni) done[v] = 0;
        }
        for (int step = 0; step <= most_steps; step++) {
            residual(s, p);
            judge(s, p, tolerance, still, good);
            int left = 0;
            for (int l = 0; l < t.ni; l++) {
                const Offset v = t.i + l;
                if (open[l] > 0 && good[l] > 0) {
                    for (int u = 0; u < NU; u++) y[Offset(u) * n + v] = p.y[u][l];
                    for (int e = 0; e < NT; e++) terms[Offset(e) * n + v] = p.terms[e][l];
                    for (int i = 0; i < NX; i++) site[Offset(i) * n + v] = p.site[i][l];
                    done[v] = 1;
                    open[l] = 0;
                }
                left += open[l] > 0;
            }
            if (left == 0 || step == most_steps)
                break;
            assemble(s, p);
            place_phases(s, p);
            eliminate(s, p);
            Lanes largest;
            EKM_LANES(l, LANES) largest[l] = 0;
            for (int b = 0; b < NB; b++)
                EKM_LANES(l, LANES)
                    largest[l] = larger(largest[l], magnitude(p.x[s.place[b]][l]));
            EKM_LANES(l, LANES) {
                const real share = largest[l] > longest ? longest / largest[l] : real(1);
                largest[l] = open[l] > 0 ? largest[l] : real(0);
                for (int u = 0; u < NU; u++)
                    p.y[u][l] += open[l] > 0 ? share * p.x[s.place[u]][l] : real(0);
                for (int m = 0; m < NP; m++)
                    p.y[NB + m][l] *= p.active[m][l];
                still[l] = largest[l] < real(1e-13) ? 1 : 0;
                count[l] += open[l];
            }
        }
        for (int l = 0; l < t.ni; l++)
            steps[t.i + l] = int(count[l]);
    }
}
