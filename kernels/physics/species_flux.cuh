// Flux of a species through packs of faces, as migration, diffusion and water move it; part of the
// twin of ekm3d/physics/transport.py.

// Input fields of the fluxes, and constants of all faces.
struct Fields {
    const real *c, *transport_factor, *phi, *previous_phi, *pore_turnover;
    const Flag* use_smaller_side;
    const real *water, *dispersivity, *z, *diffusion;
    real blend, kept, highest, quickest;    // largest |z|, largest D
};

INLINE Fields extremes(Fields s)
{
    for (int n = 0; n < NS; n++) {
        s.highest = larger(s.highest, magnitude(s.z[n]));
        s.quickest = larger(s.quickest, s.diffusion[n]);
    }
    return s;
}

// Faces of axis 0, 1, 2 = z, y, x, from the one above `here` on along x.
struct Side {
    int axis;
    Strip f;
    Pack drop[PACKS];                       // G (F/RT) times the drop of the potential      [m]
};

INLINE void open_side(Side& side, const Fields& s, const Grid& g, int axis, Offset here, int faces,
                      bool wet)
{
    Strip& f = side.f;
    side.axis = axis;
    const real* factor = along_axis(s.transport_factor, axis, g);
    open_strip(f, g, axis, here, faces, factor);
    drift_strip(f, s.previous_phi, s.pore_turnover, s.use_smaller_side + axis * volume(g),
                s.highest);
    if (wet || f.drift != CENTRAL)
        neighbours(f, factor);
    if (wet)
        water_strip(f, s.water + axis * volume(g));
    for (int q = 0; q < packs(f); q++)
        side.drop[q] = F_RT * f.geometric[q] * drop(s.phi + here + q * WIDTH, f.step);
}

// Flux of a species through a pack of faces, without the part that `mix` adds; rise: c_above -
// c_below, of which that is a multiple.
template <Drift drift, bool wet>
INLINE Pack species_flux(Side& side, const real* c, const Ion& n, int q, Pack& rise)
{
    Strip& f = side.f;
    const Slopes s = slopes<wet || drift >= LIMITED>(f, c, q);
    Pack flux = -(f.geometric[q] * s.rise);
    if (drift != NONE)
        flux = fused(n.z * side.drop[q], migrating<drift>(f, s, n, q), flux);
    rise = s.rise;
    if (!wet)
        return n.d * flux;
    steepest(f, s, q);
    return fused(broadcast(n.d), flux, f.water[q] * choose(f.rises[q], s.a, s.b));
}

// Arguments of all tiles.
struct Task {
    Grid g;
    Fields s;
    const real* nu;
    real *flux, *gained;                    // flux is null where it is not kept
};

INLINE Pack mix(const Side& side, const Task& task, int q)
{
    const Fields& s = task.s;
    return mix(side.f, s.dispersivity, s.pore_turnover, spacing(task.g, side.axis), s.quickest,
               s.blend, s.kept, q);
}
