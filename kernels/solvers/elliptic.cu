// The 7-point operator and the vector work of conjugate gradients; twin of ekm3d/elliptic.py.

// What leaves a voxel through its two faces along one axis: sum of a_face (x - x_neighbour).
template <typename number>
INLINE real outflow(const real* a, const number* x, Offset here, Offset step)
{
    const real own = x[here], upper = x[here + step], lower = x[here - step];
    return a[here] * (own - upper) + a[here - step] * (own - lower);
}

// y = b x - div(a grad x) per voxel                                    [A or m3/s]
KERNEL apply_operator(Grid g, const real* __restrict__ ax, const real* __restrict__ ay,
                      const real* __restrict__ az, const real* __restrict__ b,
                      const real* __restrict__ x, real* __restrict__ y)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset c = at(i, j, k, g);
        y[c] = b[c] * x[c] + outflow(ax, x, c, 1) + outflow(ay, x, c, row(g))
             + outflow(az, x, c, layer(g));
    }
}

// image = (b - div a grad) p; sums over every segment of p image, r image and image^2
KERNEL apply_to_direction(Grid g, const real* __restrict__ ax, const real* __restrict__ ay,
                          const real* __restrict__ az, const real* __restrict__ b,
                          const single* __restrict__ p, const real* __restrict__ r,
                          real* __restrict__ image, real* __restrict__ EACH(3) SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), all = Offset(segments(g)) * g.ny * g.nz;
        EKM_SPANS(s, g) {
            Span curvature, along, square;
            EKM_SPAN(l, s, g) {
                const Offset c = start + s * g.segment + l;
                const real y = b[c] * p[c] + outflow(ax, p, c, 1) + outflow(ay, p, c, row(g))
                             + outflow(az, p, c, layer(g));
                image[c] = y;
                curvature[l] = p[c] * y;
                along[l] = r[c] * y;
                square[l] = y * y;
            }
            real* to = sums + span_at(s, j, k, g);
            to[0] = of_span(curvature);
            to[all] = of_span(along);
            to[2 * all] = of_span(square);
        }
    }
}

// r = f - shift - image where anything conducts, else 0; sums over every segment of r r, of
// (f - shift)^2 and of image^2
KERNEL residual(Grid g, const real* __restrict__ f, const real* __restrict__ image,
                const single* __restrict__ inverse, real shift, real* __restrict__ r,
                real* __restrict__ EACH(3) SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g), all = Offset(segments(g)) * g.ny * g.nz;
        EKM_SPANS(s, g) {
            Span left, source, answer;
            EKM_SPAN(l, s, g) {
                const Offset c = start + s * g.segment + l;
                const real given = inverse[c] > 0 ? f[c] - shift : real(0), own = given - image[c];
                r[c] = own;
                left[l] = own * own;
                source[l] = given * given;
                answer[l] = image[c] * image[c];
            }
            real* to = sums + span_at(s, j, k, g);
            to[0] = of_span(left);
            to[all] = of_span(source);
            to[2 * all] = of_span(answer);
        }
    }
}

// small = scale r, what the preconditioner is given
KERNEL reduce_residual(Grid g, const real* __restrict__ r, real scale, single* __restrict__ small)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_ALONG(i, g.nx) small[start + i] = single(scale * r[start + i]);
    }
}

// p = z + keep p: z is what the preconditioner answered
KERNEL redirect(Grid g, const single* __restrict__ z, real keep, single* __restrict__ p)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        const single share = single(keep);
        EKM_ALONG(i, g.nx) p[start + i] = z[start + i] + share * p[start + i];
    }
}

// x += way p, r -= way image, small = scale r; sum of r r over every segment
KERNEL advance(Grid g, const single* __restrict__ p, const real* __restrict__ image, real way,
               real scale, real* __restrict__ x, real* __restrict__ r, single* __restrict__ small,
               real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_SPANS(s, g) {
            Span square;
            EKM_SPAN(l, s, g) {
                const Offset c = start + s * g.segment + l;
                const real left = r[c] - way * image[c];
                x[c] += way * p[c];
                r[c] = left;
                small[c] = single(scale * left);
                square[l] = left * left;
            }
            sums[span_at(s, j, k, g)] = of_span(square);
        }
    }
}

// A constant on top: x += way where anything conducts, r -= way b; sum of r r over every segment
KERNEL lift(Grid g, const real* __restrict__ b, const single* __restrict__ inverse, real way,
            real* __restrict__ x, real* __restrict__ r, real* __restrict__ SEGMENTS(g) sums)
{
    EKM_ROWS(j, k, g) {
        const Offset start = at(0, j, k, g);
        EKM_SPANS(s, g) {
            Span square;
            EKM_SPAN(l, s, g) {
                const Offset c = start + s * g.segment + l;
                const real left = r[c] - way * b[c];
                x[c] += inverse[c] > 0 ? way : real(0);
                r[c] = left;
                square[l] = left * left;
            }
            sums[span_at(s, j, k, g)] = of_span(square);
        }
    }
}

// x += way trend, r -= way image, trend = way trend - x; image: A trend
KERNEL follow(Grid g, const real* __restrict__ image, real way, real* __restrict__ trend,
              real* __restrict__ x, real* __restrict__ r)
{
    EKM_VOXELS(i, j, k, g) {
        const Offset c = at(i, j, k, g);
        const real step = way * trend[c], moved = x[c] + step;
        x[c] = moved;
        r[c] -= way * image[c];
        trend[c] = step - moved;
    }
}
