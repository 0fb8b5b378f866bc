// Hydraulic conductance and water flow of faces; twin of ekm3d/physics/flow.py.
// needs grid/faces.cuh

// Conductance of two half voxels in series                                          [m2/s]
KERNEL rock_conductance(Grid g, const real* __restrict__ hydraulic_conductivity,
                        real* __restrict__ EACH(3) conductance)
{
    EKM_FACE_ROWS(f, g) {
        const real* k = hydraulic_conductivity + f.first;
        real* out = conductance + f.side + f.first;
        EKM_ENTRIES(l, f.n) out[l] = series(k[l], k[l + f.step], shape(g, f.axis));
    }
}

// Head per volt                                                                      [m/V]
INLINE real head_per_volt(real electroosmosis, real hydraulic_conductivity)
{
    return hydraulic_conductivity > 0 ? electroosmosis / hydraulic_conductivity : real(0);
}

// Electro-osmosis: the voltage divides over both halves of a face like their resistances [m3/s]
KERNEL osmosis(Grid g, const real* __restrict__ sigma,
               const real* __restrict__ hydraulic_conductivity,
               const real* __restrict__ electroosmosis,
               const real* __restrict__ EACH(3) conductance, const real* __restrict__ phi,
               real* __restrict__ EACH(3) water)
{
    EKM_FACE_ROWS(f, g) {
        EKM_ENTRIES(l, f.n) {
            const Offset a = f.first + l, b = a + f.step;
            const real both = sigma[a] + sigma[b];
            const real part = both > 0 ? sigma[b] / both : real(0.5);
            const real head = part * head_per_volt(electroosmosis[a], hydraulic_conductivity[a])
                      + (1 - part) * head_per_volt(electroosmosis[b], hydraulic_conductivity[b]);
            water[f.side + a] = conductance[f.side + a] * head * (phi[a] - phi[b]);
        }
    }
}

// Adds the flow driven by the head                                                   [m3/s]
KERNEL darcy(Grid g, const real* __restrict__ EACH(3) conductance, const real* __restrict__ head,
             real* __restrict__ EACH(3) water)
{
    EKM_FACE_ROWS(f, g) {
        EKM_ENTRIES(l, f.n) {
            const Offset a = f.first + l;
            water[f.side + a] += conductance[f.side + a] * (head[a] - head[a + f.step]);
        }
    }
}
