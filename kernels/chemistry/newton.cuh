// One step of Newton's method for the chemical equilibrium of a pack of voxels, a lane each; the
// equations are those of ekm3d/chemistry/equations.py. Lists of entries leave out all zeros; the
// matrix is a list of the NFILL entries that may be nonzero after elimination, row by row, each
// row by column.

// Unknowns: NB = NK + NX + 2 of ln a, ln x, ln I and ln a_w; NU with the amounts of phases.
constexpr int AT_I = NK + NX, AT_W = NK + NX + 1;
constexpr int FACTORS = NK + NX + 1 + NG + 1 + NX + 1;      // of which ln of a term is a sum
#ifndef NGROW
#define NGROW 0                             // exchange species, if they have activity coefficients
#endif
#ifndef SATURATES
#define SATURATES 0                         // 1: the last function of I but one is I/(1 + I)
#endif
constexpr int SOURCES = NT + NT + NGROW;    // of which derivatives are sums: terms, their growth
constexpr real LEAST = sizeof(real) == 8 ? LEAST_PIVOT : SMALLEST;
constexpr real TRACE = sizeof(real) == 8 ? ABSENT : SMALLEST;

typedef real Values[LANES] ALIGNED;         // one number of every voxel of a pack
EKM_FEW_LANES

// The system, the same in all voxels. CSR: entries of row r are those from start[r] to start[r+1].
struct System {
    const int *action_start, *action_column;
    const real* action;                     // ln terms = action @ factors
    const int *sum_start, *sum_row;
    const real* sum;                        // equations, by terms
    const int *direct_start, *direct_source, *direct_at;
    const real* direct;                     // derivatives that are sums over sources
    const real *growth, *sizes, *on;        // (NT, NG), (NG - 1), (NT, NX)
    const real *phase_nu, *phase_water, *phase_constant;
    const int *additive, *gas, *order, *masters, *position;
    const int *entry, *diagonal;            // number of the entry (row, column), of (row, row)
    const int *row_start, *column;          // of the entries
    const int *move_start, *move_from, *move_to;            // from a master's row to its phase's
    const int *balance, *phase, *target_start, *target;     // of elimination
    int hydrogen;
};

// A pack of voxels: inputs, unknowns and work arrays.
struct Pack {
    Values total[NK], water, cec[NX], slope[NX], reference[NX], least[NX], most[NX];
    Values y[NU], active[NP1], absent[NK];      // absent: 1 where a component has no total
    Values source[SOURCES], error[NB], scale[NB], saturation[NP1], site[NX], site_slope[NX];
    Values strength, A[NFILL], x[NU];
};

// Terms, saturations, errors and scales of the equations at the unknowns y.
ROUTINE void residual(const System& s, Pack& p)
{
    Values factors[FACTORS];
    EKM_LANES(l, LANES) {
        EKM_UNROLL for (int k = 0; k < NK; k++)
            factors[k][l] = p.y[k][l];
        factors[NK + NX][l] = p.y[AT_W][l];
        p.strength[l] = exponential(p.y[AT_I][l]);
        const real root = square_root(p.strength[l]);
        EKM_UNROLL for (int a = 0; a < NG - 1; a++)
            factors[NK + NX + 1 + a][l] = root / (1 + s.sizes[a] * root);
        if (SATURATES)
            factors[NK + NX + NG - 1][l] = p.strength[l] / (1 + p.strength[l]);
        factors[NK + NX + NG][l] = p.strength[l];
        factors[NK + NX + NG + 1][l] = logarithm(p.water[l]);
        factors[FACTORS - 1][l] = 1;
    }
    Values held, spread;
    EKM_LANES(l, LANES) held[l] = spread[l] = 0;
    EKM_UNROLL for (int i = 0; i < NX; i++)
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
    EKM_UNROLL for (int b = 0; b < NB; b++)
        EKM_LANES(l, LANES) p.error[b][l] = p.scale[b][l] = 0;
    EKM_UNROLL for (int t = 0; t < NT; t++) {
        Values power;
        EKM_LANES(l, LANES) power[l] = 0;
        for (int e = s.action_start[t]; e < s.action_start[t + 1]; e++) {
            const real by = s.action[e];
            const real* factor = factors[s.action_column[e]];
            in_turn();
            EKM_LANES(l, LANES) power[l] += by * factor[l];
        }
        real* term = p.source[t];
        EKM_LANES(l, LANES) term[l] = limited_exponential(smaller(power[l], LARGEST));
        for (int e = s.sum_start[t]; e < s.sum_start[t + 1]; e++) {
            const real by = s.sum[e], size = magnitude(by);
            real *error = p.error[s.sum_row[e]], *scale = p.scale[s.sum_row[e]];
            EKM_LANES(l, LANES) {
                error[l] += by * term[l];
                scale[l] += size * term[l];
            }
        }
    }
    EKM_UNROLL for (int k = 0; k < NK; k++)
        EKM_LANES(l, LANES) {
            p.error[k][l] -= p.total[k][l];
            p.scale[k][l] += magnitude(p.total[k][l]);
        }
    EKM_UNROLL for (int i = 0; i < NX; i++)
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
    EKM_UNROLL for (int m = 0; m < NP; m++) {
        EKM_LANES(l, LANES)
            p.saturation[m][l] = s.phase_water[m] * p.y[AT_W][l] - s.phase_constant[m];
        EKM_UNROLL for (int k = 0; k < NK; k++) {
            const real nu = s.phase_nu[m * NK + k];
            if (nu != 0)
                EKM_LANES(l, LANES) {
                    p.saturation[m][l] += nu * p.y[k][l];
                    p.error[k][l] += nu * p.y[NB + m][l];
                    p.scale[k][l] += magnitude(nu * p.y[NB + m][l]);
                }
        }
    }
    EKM_UNROLL for (int k = 0; k < NK; k++)
        EKM_LANES(l, LANES) {
            p.error[k][l] = p.absent[k][l] > 0 ? real(0) : p.error[k][l];
            p.scale[k][l] = p.absent[k][l] > 0 ? real(1) : p.scale[k][l];
        }
}

// Update the active phases; a voxel has converged (good) if they stay and the equations hold.
ROUTINE void check_convergence(const System& s, Pack& p, real tolerance, const real* still,
                               real* good)
{
    EKM_LANES(l, LANES) {
        const real allowed = still[l] > 0 ? larger(tolerance, real(1e-10)) : tolerance;
        real fine = 1;
        EKM_UNROLL for (int b = 0; b < NB; b++)
            fine = magnitude(p.error[b][l]) <= allowed * p.scale[b][l] ? fine : real(0);
        good[l] = fine;
    }
    EKM_UNROLL for (int m = 0; m < NP; m++) {
        Values rarest;
        EKM_LANES(l, LANES) rarest[l] = 1 / SMALLEST;
        EKM_UNROLL for (int k = 0; k < NK; k++)
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

// Derivatives of the terms.
ROUTINE void differentiate(const System& s, Pack& p)
{
    Values slopes[NG];
    EKM_LANES(l, LANES) {
        const real root = square_root(p.strength[l]);
        EKM_UNROLL for (int a = 0; a < NG - 1; a++)
            slopes[a][l] = root / 2 / ((1 + s.sizes[a] * root) * (1 + s.sizes[a] * root));
        if (SATURATES)
            slopes[NG - 2][l] = p.strength[l] / ((1 + p.strength[l]) * (1 + p.strength[l]));
        slopes[NG - 1][l] = p.strength[l];
    }
    EKM_UNROLL for (int e = 0; e < NGROW; e++) {            // d exchange term / d ln I
        real *grown = p.source[NT + NT + e], *term = p.source[NS + e];
        Values by;
        EKM_LANES(l, LANES) by[l] = 0;
        EKM_UNROLL for (int a = 0; a < NG; a++) {
            const real growth = s.growth[(NS + e) * NG + a];
            EKM_LANES(l, LANES) by[l] += growth * slopes[a][l];
        }
        EKM_LANES(l, LANES) grown[l] = by[l] * term[l];
    }
    // d term / d ln I, or by way of X / d ln a_H
    EKM_UNROLL for (int t = 0; t < NT; t++) {
        real *grown = p.source[NT + t], *term = p.source[t];
        Values by;
        EKM_LANES(l, LANES) by[l] = 0;
        if (t < NS)
            EKM_UNROLL for (int a = 0; a < NG; a++) {
                const real growth = s.growth[t * NG + a];
                EKM_LANES(l, LANES) by[l] += growth * slopes[a][l];
            }
        else
            EKM_UNROLL for (int i = 0; i < NX; i++) {
                const real on = s.on[t * NX + i];
                if (on != 0)
                    EKM_LANES(l, LANES) by[l] += p.site[i][l] > 0
                        ? on * p.site_slope[i][l] / p.site[i][l] : real(0);
            }
        EKM_LANES(l, LANES) grown[l] = by[l] * term[l];
    }
}

// Assemble the row of Newton's matrix that belongs to equation b, and its right-hand side x.
INLINE void assemble_balance(const System& s, Pack& p, int b)
{
    const int* at = s.position;
    const int row = at[b];
    real *own = p.A[s.diagonal[row]], *right = p.x[row];
    const real* error = p.error[b];
    EKM_UNROLL for (int e = s.row_start[row]; e < s.row_start[row + 1]; e++)
        EKM_LANES(l, LANES) p.A[e][l] = 0;
    if constexpr (LANES == 1)
        EKM_UNROLL for (int e = s.direct_start[b]; e < s.direct_start[b + 1]; e++)
            p.A[s.direct_at[e]][0] += s.direct[e] * p.source[s.direct_source[e]][0];
    else                                    // entry by entry, its sum in registers
        for (int e = s.direct_start[b]; e < s.direct_start[b + 1];) {
            const int at_entry = s.direct_at[e];
            Values sum;
            EKM_LANES(l, LANES) sum[l] = p.A[at_entry][l];
            do {
                const real by = s.direct[e], *source = p.source[s.direct_source[e]];
                in_turn();
                EKM_LANES(l, LANES) sum[l] += by * source[l];
            } while (++e < s.direct_start[b + 1] && s.direct_at[e] == at_entry);
            EKM_LANES(l, LANES) p.A[at_entry][l] = sum[l];
        }
    if (b == AT_I)
        EKM_LANES(l, LANES) own[l] -= p.water[l] * p.strength[l];
    if (b == AT_W)
        EKM_LANES(l, LANES) own[l] += p.water[l] * exponential(p.y[AT_W][l]);
    if (b == s.hydrogen)
        EKM_UNROLL for (int i = 0; i < NX; i++)
            EKM_LANES(l, LANES) own[l] -= p.site_slope[i][l];
    if (b >= NK && b < AT_I) {
        const real *slope = p.site_slope[b - NK], *site = p.site[b - NK];
        real* by_h = p.A[s.entry[row * NU + at[s.hydrogen]]];
        EKM_LANES(l, LANES) {
            by_h[l] -= slope[l];
            own[l] += site[l] > 0 ? real(0) : real(1);
        }
    }
    EKM_LANES(l, LANES) {
        right[l] = -error[l];
        own[l] += b < AT_I ? LEAST * p.scale[b][l] : real(0);
    }
    if (b < NK)
        EKM_LANES(l, LANES) own[l] += p.absent[b][l];
    if (b < AT_I && (b >= NK || s.additive[b])) {
        const real* target = b < NK ? p.total[b] : p.site[b - NK];
        // P ln(P/T) for P - T where no phase takes part and all terms are positive
        Values held;
        EKM_LANES(l, LANES) held[l] = 0;
        EKM_UNROLL for (int m = 0; m < NP && b < NK; m++)
            if (s.phase_nu[m * NK + b] != 0)
                EKM_LANES(l, LANES) held[l] += p.active[m][l];
        EKM_LANES(l, LANES) {
            const real sum = error[l] + target[l];
            const real fit = held[l] == 0 && sum > 0 && target[l] > 0 ? real(1) : real(0);
            const real ratio = fit > 0 ? sum / target[l] : real(1);
            right[l] = fit > 0 ? -sum * logarithm(ratio) : right[l];
        }
    }
    EKM_UNROLL for (int m = 0; m < NP && b < NK; m++) {
        const real nu = s.phase_nu[m * NK + b];
        if (nu != 0) {
            real* entry = p.A[s.entry[row * NU + at[NB + m]]];
            EKM_LANES(l, LANES) entry[l] = p.active[m][l] * nu;
        }
    }
}

// Replace, where the n-th phase is present, its master's balance by its saturation; the balance
// moves to the row of the phase's amount.
INLINE void insert_phase(const System& s, Pack& p, int n)
{
    const int* at = s.position;
    const int m = s.order[n], row = at[NB + m], own = at[s.masters[n]];
    const real* active = p.active[m];
    EKM_UNROLL for (int e = s.row_start[row]; e < s.row_start[row + 1]; e++)
        EKM_LANES(l, LANES) p.A[e][l] = 0;
    EKM_UNROLL for (int e = s.move_start[n]; e < s.move_start[n + 1]; e++) {
        real *to = p.A[s.move_to[e]], *from = p.A[s.move_from[e]];
        EKM_LANES(l, LANES) {
            to[l] = active[l] * from[l];
            from[l] *= 1 - active[l];
        }
    }
    real* diagonal = p.A[s.diagonal[row]];
    EKM_LANES(l, LANES) {
        diagonal[l] += 1 - active[l];
        p.x[row][l] = active[l] * p.x[own][l];
        p.x[own][l] = active[l] > 0 ? -p.saturation[m][l] : p.x[own][l];
    }
    EKM_UNROLL for (int k = 0; k <= NK; k++) {
        const real nu = k < NK ? s.phase_nu[m * NK + k] : s.phase_water[m];
        if (nu != 0) {
            real* entry = p.A[s.entry[own * NU + at[k < NK ? k : AT_W]]];
            EKM_LANES(l, LANES) entry[l] += active[l] * nu;
        }
    }
}

// Assemble row r and eliminate what stands left of its diagonal.
INLINE void eliminate_row(const System& s, Pack& p, int r)
{
    if (s.balance[r] >= 0)
        assemble_balance(s, p, s.balance[r]);
    if (s.phase[r] >= 0)
        insert_phase(s, p, s.phase[r]);
    const int* target = s.target + s.target_start[r];
    EKM_UNROLL for (int e = s.row_start[r]; e < s.diagonal[r]; e++) {
        const int above = s.column[e];
        Values factor;
        EKM_LANES(l, LANES) {
            factor[l] = p.A[e][l] * p.A[s.diagonal[above]][l];
            p.x[r][l] -= factor[l] * p.x[above][l];
        }
        for (int f = s.diagonal[above] + 1; f < s.row_start[above + 1]; f++) {
            real* entry = p.A[*target++];
            EKM_LANES(l, LANES) entry[l] -= factor[l] * p.A[f][l];
        }
    }
    real* pivot = p.A[s.diagonal[r]];
    EKM_LANES(l, LANES) pivot[l] = 1 / pivot[l];
}

// All rows from r on, each with its number known to the compiler.
template <int r = 0>
INLINE void eliminate_rows(const System& s, Pack& p)
{
    if constexpr (r < NU) {
        eliminate_row(s, p, r);
        eliminate_rows<r + 1>(s, p);
    }
}

// Solve Newton's equations A x = b by LU elimination, row by row: each is assembled when it is
// needed, so that of the rows above only the right parts are still in use.
template <int lanes>
ROUTINE void solve(const System& s, Pack& p)
{
    if constexpr (lanes == 1)
        eliminate_rows(s, p);
    else
        for (int r = 0; r < NU; r++)
            eliminate_row(s, p, r);
    EKM_UNROLL for (int r = NU - 1; r >= 0; r--) {
        for (int f = s.diagonal[r] + 1; f < s.row_start[r + 1]; f++)
            EKM_LANES(l, LANES) p.x[r][l] -= p.A[f][l] * p.x[s.column[f]][l];
        EKM_LANES(l, LANES) p.x[r][l] *= p.A[s.diagonal[r]][l];
    }
}
