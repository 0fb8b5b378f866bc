// Component fluxes from species fluxes, J_k = sum_s nu_sk J_s, without the zeros of nu.

// Nonzero entries of nu, component after component, species in turn; at least one, if only a zero.
struct Shares {
    int begin[NK + 1], species[NS * NK];
    real share[NS * NK];
};

INLINE Shares shares_of(const real* nu)
{
    Shares s;
    int count = 0;
    for (int m = 0; m < NK; m++) {
        s.begin[m] = count;
        for (int n = 0; n < NS; n++)
            if (nu[n * NK + m] != 0 || (n == NS - 1 && count == s.begin[m])) {
                s.species[count] = n;
                s.share[count++] = nu[n * NK + m];
            }
    }
    s.begin[NK] = count;
    return s;
}

// Component m of packs of all species, `apart` packs from one to the next.
INLINE void compose(const Shares& s, int m, const Pack* species, int apart, int packs, Pack* sum)
{
    int e = s.begin[m];
    const Pack* one = species + s.species[e] * apart;
    Pack share = broadcast(s.share[e]);
    for (int q = 0; q < packs; q++)
        sum[q] = share * one[q];
    for (e++; e < s.begin[m + 1]; e++) {
        one = species + s.species[e] * apart;
        share = broadcast(s.share[e]);
        for (int q = 0; q < packs; q++)
            sum[q] = fused(share, one[q], sum[q]);
    }
}
