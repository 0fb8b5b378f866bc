// Sums over segments of voxels along x, where a kernel stores them.

// Store what the terms of run s add up to, segment by segment, in sums [k, j, segment].
INLINE void put_sums(Segment& terms, real* sums, int s, int j, int k, const Grid& g)
{
    const int count = length_of_run(s, g);
    real* to = sums + (Offset(k) * g.ny + j) * segments(g);
    if (g.segment == 1) {
        to += s * SEGMENT;
        EKM_ALONG(l, count) to[l] = terms[l];
    } else {
        to[s] = sum_of_run(terms, count);
    }
}
