// Conjugate gradients for the 7-point operator A: products, residuals and vector updates.
// Twin of ekm3d/solvers/elliptic.py.
// needs parallel/segments.cuh

// face (3, voxels): conductances, axis 0, 1, 2 = z, y, x, stored with the voxel below the face.

// Flux out of the voxel at x through its two faces along one axis: sum of a_face (x - x_neighbour).
// f: index of the upper one.
template <typename number>
INLINE real outflow(const real* face, Offset f, const number* x, Offset stride)
{
    const real own = x[0], upper = x[stride], lower = x[-stride];
    return face[f] * (own - upper) + face[f - stride] * (own - lower);
}

// (A x) at voxel c
template <typename number>
INLINE real product_at(const Grid& g, const real* face, const real* b, const number* x, Offset c)
{
    const Offset all = volume(g);
    return b[c] * x[c] + outflow(face, c + 2 * all, x + c, 1)
         + outflow(face, c + all, x + c, row(g)) + outflow(face, c, x + c, layer(g));
}

// y = A x = b x - div(a grad x) per voxel                              [A or m3/s]
KERNEL apply_operator(Grid g, const real* __restrict__ EACH(3) face, const real* __restrict__ b,
                      const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset c = at(i, j, k, g);
        y[c] = product_at(g, face, b, x, c);
    }
}

// Ap = A p; sums over every segment of p Ap, r Ap and Ap^2
KERNEL apply_to_direction(Grid g, const real* __restrict__ EACH(3) face,
                          const real* __restrict__ b, const single* __restrict__ p,
                          const real* __restrict__ r, real* __restrict__ Ap,
                          real* __restrict__ EACH(3) SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), all = Offset(segments(g)) * g.ny * g.nz;
        EKM_SEGMENTS(s, g) {
            Segment pAp, rAp, ApAp;
            EKM_SEGMENT(l, s, g) {
                const Offset c = start + s * SEGMENT + l;
                const real y = product_at(g, face, b, p, c);
                Ap[c] = y;
                pAp[l] = p[c] * y;
                rAp[l] = r[c] * y;
                ApAp[l] = y * y;
            }
            put_sums(pAp, sums, s, j, k, g);
            put_sums(rAp, sums + all, s, j, k, g);
            put_sums(ApAp, sums + 2 * all, s, j, k, g);
        }
    }
}

// r = f - source_mean - Ax in active voxels, else 0; sums over every segment of r^2, of
// (f - source_mean)^2 and of Ax^2
KERNEL residual(Grid g, const real* __restrict__ f, const real* __restrict__ Ax,
                const single* __restrict__ inverse_diagonal, real source_mean,
                real* __restrict__ r, real* __restrict__ EACH(3) SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), all = Offset(segments(g)) * g.ny * g.nz;
        EKM_SEGMENTS(s, g) {
            Segment rr, ss, AxAx;
            EKM_SEGMENT(l, s, g) {
                const Offset c = start + s * SEGMENT + l;
                const real source = inverse_diagonal[c] > 0 ? f[c] - source_mean : real(0);
                const real difference = source - Ax[c];
                r[c] = difference;
                rr[l] = difference * difference;
                ss[l] = source * source;
                AxAx[l] = Ax[c] * Ax[c];
            }
            put_sums(rr, sums, s, j, k, g);
            put_sums(ss, sums + all, s, j, k, g);
            put_sums(AxAx, sums + 2 * all, s, j, k, g);
        }
    }
}

// scaled_r = scale r in float32, the right-hand side of the preconditioner
KERNEL scale_residual(Grid g, const real* __restrict__ r, real scale,
                      single* __restrict__ scaled_r)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_ALONG(i, g.nx) scaled_r[start + i] = single(scale * r[start + i]);
    }
}

// p = z + beta p; z: preconditioned residual
KERNEL update_direction(Grid g, const single* __restrict__ z, real beta, single* __restrict__ p)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        const single factor = single(beta);
        EKM_ALONG(i, g.nx) p[start + i] = z[start + i] + factor * p[start + i];
    }
}

// x += alpha p, r -= alpha Ap, scaled_r = scale r; sum of r^2 over every segment
KERNEL update_solution(Grid g, const single* __restrict__ p, const real* __restrict__ Ap,
                       real alpha, real scale, real* __restrict__ x, real* __restrict__ r,
                       single* __restrict__ scaled_r, real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_SEGMENTS(s, g) {
            Segment rr;
            EKM_SEGMENT(l, s, g) {
                const Offset c = start + s * SEGMENT + l;
                const real new_r = r[c] - alpha * Ap[c];
                x[c] += alpha * p[c];
                r[c] = new_r;
                scaled_r[c] = single(scale * new_r);
                rr[l] = new_r * new_r;
            }
            put_sums(rr, sums, s, j, k, g);
        }
    }
}

// x += constant in active voxels, r -= constant b; sum of r^2 over every segment
KERNEL remove_mean_residual(Grid g, const real* __restrict__ b,
                            const single* __restrict__ inverse_diagonal, real constant,
                            real* __restrict__ x, real* __restrict__ r,
                            real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_SEGMENTS(s, g) {
            Segment rr;
            EKM_SEGMENT(l, s, g) {
                const Offset c = start + s * SEGMENT + l;
                const real new_r = r[c] - constant * b[c];
                x[c] += inverse_diagonal[c] > 0 ? constant : real(0);
                r[c] = new_r;
                rr[l] = new_r * new_r;
            }
            put_sums(rr, sums, s, j, k, g);
        }
    }
}

// x += alpha trend, r -= alpha A_trend, trend = alpha trend - x; A_trend: A trend
KERNEL extrapolate(Grid g, const real* __restrict__ A_trend, real alpha, real* __restrict__ trend,
                   real* __restrict__ x, real* __restrict__ r)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset c = at(i, j, k, g);
        const real step = alpha * trend[c], new_x = x[c] + step;
        x[c] = new_x;
        r[c] -= alpha * A_trend[c];
        trend[c] = step - new_x;
    }
}
