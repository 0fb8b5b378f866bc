// Sums over the faces of electrodes and sides; twin of ekm3d/physics/contact_transport.py.

// Sums of every component over the faces of each place, in their order, and of what enters the ore.
// g: places along x, components along y; starts: first face of every place, then the end of all.
KERNEL sum_places(Grid g, const real* __restrict__ EACH(NK) LIST(n) out,
                  const Offset* __restrict__ LIST(ends) starts, int n, int ends, int places,
                  real* __restrict__ EACH(NK) LIST(places) sums,
                  real* __restrict__ EACH(NK) LIST(places) entering)
{
    EKM_VOXELS(i, j, k, g) {
        const real* of = out + Offset(j) * n;
        const Offset end = starts[i + 1];
        real sum = 0, in = 0;
        for (Offset first = starts[i]; first < end; first += 16) {      // 16 numbers on their way
            real some[16];
            EKM_UNROLL for (int m = 0; m < 16; m++)
                some[m] = first + m < end ? of[first + m] : real(0);
            EKM_UNROLL for (int m = 0; m < 16; m++) {
                sum += some[m];
                in += larger(-some[m], 0);
            }
        }
        sums[Offset(j) * places + i] = sum;
        entering[Offset(j) * places + i] = in;
    }
}
