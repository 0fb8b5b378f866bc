// Reproducible sums over voxels; twin of ekm3d/parallel/reproducible_sum.py, whose constants
// WIDTH, BINS, LOWEST and HIGHEST come with the generated header.
// needs parallel/segments.cuh

// sums = segment sums of a
KERNEL sum_segments(Grid g, const real* __restrict__ a, real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_SEGMENTS(s, g) {
            Segment sum;
            EKM_SEGMENT(l, s, g) sum[l] = a[start + s * SEGMENT + l];
            put_sums(sum, sums, s, j, k, g);
        }
    }
}

// sums = segment sums of a b
KERNEL dot_segments(Grid g, const real* __restrict__ a, const real* __restrict__ b,
                    real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_SEGMENTS(s, g) {
            Segment sum;
            EKM_SEGMENT(l, s, g) {
                const Offset c = start + s * SEGMENT + l;
                sum[l] = a[c] * b[c];
            }
            put_sums(sum, sums, s, j, k, g);
        }
    }
}

// Powers of two: 2^n, n from -1022 to 1023; the n of 2^(n - 1) <= x < 2^n, x > 0 not subnormal.
INLINE real power_of_two(int n) { return number_of(Offset(n + 1023) << 52); }
INLINE int exponent(real x) { return int(bits_of(x) >> 52) - 1022; }

// bins: of every layer the top bin's number and its bins' contents; a row of g is a layer's
// numbers.
KERNEL bin_values(Grid g, const real* __restrict__ LIST(count) numbers, Offset count, int entries,
                  real* __restrict__ LIST(entries) bins)
{
    EKM_ROWS(j, k, g) {
        const real* x = numbers + Offset(k) * g.nx;
        real size = 0;
        EKM_ALONG_MAX(i, g.nx, size) size = larger(magnitude(x[i]), size);
        size = largest_of_row(size);
        const int e = size > 0 ? exponent(size) : -1100;
        int top = (e + 64 * WIDTH) / WIDTH - 64;                       // rounded down
        top = top < LOWEST ? LOWEST : top > HIGHEST ? HIGHEST : top;
        real shift[BINS];
        for (int b = 0; b < BINS; b++)
            shift[b] = real(1.5) * power_of_two(52 + WIDTH * (top - b));
        real first = 0, second = 0, third = 0, fourth = 0;
        EKM_ALONG_SUM(i, g.nx, first, second, third, fourth) {
            const real a = x[i], q0 = (a + shift[0]) - shift[0], b = a - q0;
            const real q1 = (b + shift[1]) - shift[1], c = b - q1;
            const real q2 = (c + shift[2]) - shift[2], d = c - q2;
            first += q0;
            second += q1;
            third += q2;
            fourth += (d + shift[3]) - shift[3];
        }
        real* to = bins + (BINS + 1) * Offset(k);
        to[0] = top;
        to[1] = of_row(first);
        to[2] = of_row(second);
        to[3] = of_row(third);
        to[4] = of_row(fourth);
    }
}

// merged: the bins of all layers of a sum, added to those of the highest layer; a row of g is a
// sum's layers. nan or inf makes the sum nan, even in a layer below the last bin: 0 * nan = nan.
KERNEL merge_bins(Grid g, const real* __restrict__ LIST(count) bins, Offset count, int size,
                  real* __restrict__ LIST(size) merged)
{
    EKM_ROWS(j, k, g) {
        const real* layers = bins + (BINS + 1) * Offset(k) * g.nx;
        real top = LOWEST;
        EKM_ALONG_MAX(i, g.nx, top) top = larger(layers[(BINS + 1) * i], top);
        top = largest_of_row(top);
        real first = 0, second = 0, third = 0, fourth = 0, invalid = 0;
        EKM_ALONG_SUM(i, g.nx, first, second, third, fourth, invalid) {
            const real* bin = layers + (BINS + 1) * i + 1;
            const real below = top - bin[-1];
            invalid += 0 * (bin[0] + bin[1] + bin[2] + bin[3]);
            first += below == 0 ? bin[0] : real(0);
            second += below == 0 ? bin[1] : below == 1 ? bin[0] : real(0);
            third += below == 0 ? bin[2] : below == 1 ? bin[1] : below == 2 ? bin[0] : real(0);
            fourth += below == 0 ? bin[3] : below == 1 ? bin[2] : below == 2 ? bin[1]
                    : below == 3 ? bin[0] : real(0);
        }
        real* to = merged + (BINS + 1) * Offset(k);
        invalid = of_row(invalid);
        to[0] = top;
        to[1] = of_row(first) + invalid;
        to[2] = of_row(second) + invalid;
        to[3] = of_row(third) + invalid;
        to[4] = of_row(fourth) + invalid;
    }
}
