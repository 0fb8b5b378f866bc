// component_gain without limited drift and water, written by hand without kernels/ekm.cuh: measures
// the cost of the shared text. See bench_header.py.
//
//     J = D ( z G (F/RT) (phi_a - phi_b) c* - G (c_b - c_a) ),    c* = c_up + k (c_down - c_up)
//     k = max(1 - z^2 u^2 |z| D s, 0) / 2,      u = (F/RT) (phi_a - phi_b),  s = |u| G dt/(theta V)
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace {

constexpr double F_RT = 96485.33212 / (8.314462618 * 298.15);

struct Row {                               // faces above the voxels of a row
    std::vector<double> g, u, s, drop, moved;
    explicit Row(int n) : g(n), u(n), s(n), drop(n), moved(n) {}
};

void open_row(Row& f, int n, ptrdiff_t p, ptrdiff_t step, double shape, const double* m,
              const double* phi, const double* turnover)
{
    double *g = f.g.data(), *u = f.u.data(), *s = f.s.data(), *drop = f.drop.data();
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const ptrdiff_t a = p + i, b = a + step;
        const double both = m[a] + m[b];
        g[i] = both > 0 ? shape * (m[a] * m[b]) / both : 0.0;
        u[i] = F_RT * (phi[a] - phi[b]);
        s[i] = std::abs(u[i]) * g[i] * (turnover[a] + turnover[b]) / 2 * u[i] * u[i];
        drop[i] = g[i] * u[i];
    }
}

void cross(Row& f, int n, const double* c, ptrdiff_t step, double z, double d)
{
    const double *g = f.g.data(), *u = f.u.data(), *s = f.s.data(), *drop = f.drop.data();
    double* moved = f.moved.data();
    const double damping = z * z * std::abs(z) * d;
#pragma omp simd
    for (int i = 0; i < n; i++) {
        const double a = c[i], b = c[i + step], rise = b - a;
        const bool up = z * u[i] > 0;
        double k = 1 - damping * s[i];
        k = k > 0 ? 0.5 * k : 0.0;
        const double face = (up ? a : b) + k * (up ? rise : -rise);
        moved[i] = d * (z * drop[i] * face - g[i] * rise);
    }
}

}

// Arrays as component_gain has them: padded by `ghost` layers; species n is component n.
extern "C" void plain_gain(int nx, int ny, int nz, int ghost, double h, int species,
                           const double* c, const double* m, const double* phi,
                           const double* turnover, const double* z, const double* d, double* gained)
{
    const ptrdiff_t row = nx + 2 * ghost, layer = row * (ny + 2 * ghost);
    const ptrdiff_t all = layer * (nz + 2 * ghost);
    const double shape = 2 * h;
#pragma omp parallel
    {
        Row fx(nx + 1), fy(nx), fz(nx);
        std::vector<double> south(size_t(species) * nx), below(size_t(species) * nx * ny);
        bool begun = false;
#pragma omp for schedule(static)
        for (int k = 0; k < nz; k++) {
            for (int j = 0; j < ny; j++) {
                const ptrdiff_t p = (k + ghost) * layer + (j + ghost) * row + ghost;
                if (!begun) {
                    open_row(fz, nx, p - layer, layer, shape, m, phi, turnover);
                    for (int n = 0; n < species; n++) {
                        cross(fz, nx, c + n * all + p - layer, layer, z[n], d[n]);
                        std::copy_n(fz.moved.data(), nx, &below[(size_t(j) * species + n) * nx]);
                    }
                }
                if (j == 0) {
                    open_row(fy, nx, p - row, row, shape, m, phi, turnover);
                    for (int n = 0; n < species; n++) {
                        cross(fy, nx, c + n * all + p - row, row, z[n], d[n]);
                        std::copy_n(fy.moved.data(), nx, &south[size_t(n) * nx]);
                    }
                }
                open_row(fz, nx, p, layer, shape, m, phi, turnover);
                open_row(fy, nx, p, row, shape, m, phi, turnover);
                open_row(fx, nx + 1, p - 1, 1, shape, m, phi, turnover);
                for (int n = 0; n < species; n++) {
                    const double* at = c + n * all + p;
                    cross(fz, nx, at, layer, z[n], d[n]);
                    cross(fy, nx, at, row, z[n], d[n]);
                    cross(fx, nx + 1, at - 1, 1, z[n], d[n]);
                    double *s = &south[size_t(n) * nx], *b = &below[(size_t(j) * species + n) * nx];
                    double* out = gained + n * all + p;
                    const double *x = fx.moved.data(), *y = fy.moved.data(), *u = fz.moved.data();
#pragma omp simd
                    for (int i = 0; i < nx; i++) {
                        out[i] = (x[i] - x[i + 1]) + (s[i] - y[i]) + (b[i] - u[i]);
                        s[i] = y[i];
                        b[i] = u[i];
                    }
                }
            }
            begun = true;
        }
    }
}
