// Sums over the faces of electrodes and sides; twin of ekm3d/physics/contact_sums.py.

// Sums of every row of numbers over the faces of each place, in their order, and of what is below 0
// in it, as a positive number.
// g: places along x, rows along y; starts: first face of every place, then the end of all.
KERNEL sum_places(Grid g, const real* __restrict__ LIST(size) values,
                  const Offset* __restrict__ LIST(ends) starts, int n, int ends, int size,
                  int places, int total, real* __restrict__ LIST(total) sums,
                  real* __restrict__ LIST(total) below)
{
    EKM_VOXELS(i, j, k, g) {
        const real* of = values + Offset(j) * n;
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
        below[Offset(j) * places + i] = in;
    }
}
