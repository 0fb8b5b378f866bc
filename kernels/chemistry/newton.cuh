// One step of Newton's method for the chemical equilibrium of a pack of voxels, a lane each; the
// equations are those of ekm3d/chemistry/equations.py. The bodies of `sum_terms` and `solve` (in
// newton.cu) are written for the system, by ekm3d/chemistry/newton_statements.py.

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

// The system, the same in all voxels.
struct System {
    const real *action, *direct;            // weights of factors in ln terms, of sources in the
    const real *sum, *size;                 // matrix, of terms in the equations, their magnitudes
    const real *growth, *sizes, *on;        // (NT, NG), (NG - 1), (NT, NX)
    const real *phase_nu, *phase_water, *phase_constant;
    const int* gas;
    int hydrogen;
};

// A pack of voxels: inputs, unknowns and work arrays.
struct Pack {
    Values total[NK], water, cec[NX], slope[NX], reference[NX], least[NX], most[NX];
    Values y[NU], active[NP1], absent[NK];      // absent: 1 where a component has no total
    Values source[SOURCES], error[NB], scale[NB], saturation[NP1], site[NX], site_slope[NX];
    Values strength, x[NU];
};

ROUTINE void sum_terms(const System& s, Pack& p, const Values* factors);

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
    sum_terms(s, p, factors);
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

// Words of the statements. A term, kept as a source of derivatives.
INLINE Wide exponential_of(const Wide& ln_term, real* source)
{
    Values power;
    wide(power) = ln_term;
    EKM_LANES(l, LANES) source[l] = limited_exponential(smaller(power[l], LARGEST));
    return wide(source);
}

// 1 where an exchanger has no charge X: its equation is then d ln x = 0.
INLINE Wide one_without(const real* site)
{
    Values out;
    EKM_LANES(l, LANES) out[l] = site[l] > 0 ? real(0) : real(1);
    return wide(out);
}

// One number where a phase is present, another elsewhere.
INLINE Wide chosen(const real* active, const Wide& present, const Wide& absent)
{
    Values a, b;
    wide(a) = present, wide(b) = absent;
    EKM_LANES(l, LANES) a[l] = active[l] > 0 ? a[l] : b[l];
    return wide(a);
}

// Right-hand side of a balance P = T whose terms are all positive: P ln(P/T) for P - T where no
// phase takes part (`held` is the number of them that do).
INLINE Wide logarithmic(const real* error, const real* target, const Wide& held,
                        const Wide& otherwise)
{
    Values phases, out;
    wide(phases) = held, wide(out) = otherwise;
    EKM_LANES(l, LANES) {
        const real sum = error[l] + target[l];
        const real fit = phases[l] == 0 && sum > 0 && target[l] > 0 ? real(1) : real(0);
        const real ratio = fit > 0 ? sum / target[l] : real(1);
        out[l] = fit > 0 ? -sum * logarithm(ratio) : out[l];
    }
    return wide(out);
}
