// Component fluxes from species fluxes, J_k = sum_s nu_sk J_s, without the zeros of nu.

// Nonzero entries of nu, species after species. first: the entry starts its component's sum;
// components without any entry start with a zero. After the species, one entry of 1 per component.
struct Shares {
    int begin[NS + NK + 1], component[(NS + 2) * NK];
    real share[(NS + 2) * NK];
    bool first[(NS + 2) * NK];
};

INLINE Shares shares_of(const real* nu)
{
    Shares s;
    bool begun[NK] = {};
    int count = 0;
    for (int n = 0; n < NS; n++) {
        s.begin[n] = count;
        for (int m = 0; m < NK; m++) {
            bool needed = nu[n * NK + m] != 0;
            if (n == NS - 1)
                needed = needed || !begun[m];
            if (needed) {
                s.component[count] = m, s.share[count] = nu[n * NK + m];
                s.first[count++] = !begun[m];
                begun[m] = true;
            }
        }
    }
    for (int m = 0; m < NK; m++) {
        s.begin[NS + m] = count;
        s.component[count] = m, s.share[count] = 1, s.first[count++] = false;
    }
    s.begin[NS + NK] = count;
    return s;
}

// Adds the share of species n to the components, arrays `all` apart from one another.
INLINE void compose(const Shares& s, int n, const real* __restrict__ moved, int count, real* out,
                    Offset all)
{
    for (int e = s.begin[n]; e < s.begin[n + 1]; e++) {
        real* __restrict__ to = out + s.component[e] * all;
        const real share = s.share[e];
        if (s.first[e])
            for (int l = 0; l < count; l++)
                to[l] = share * moved[l];
        else
            for (int l = 0; l < count; l++)
                to[l] = fused(share, moved[l], to[l]);
    }
}

// The same in scratch arrays.
INLINE void compose(const Shares& s, int n, const Lanes& moved, int count, Lanes* out)
{
    for (int e = s.begin[n]; e < s.begin[n + 1]; e++) {
        Lanes& to = out[s.component[e]];
        const real share = s.share[e];
        if (s.first[e])
            EKM_LANES(l, count) to[l] = share * moved[l];
        else
            EKM_LANES(l, count) to[l] = fused(share, moved[l], to[l]);
    }
}
