// Transport on the host, strip by strip of a tile: each inner face is computed once, for all
// species in turn. A strip is short, for what its species share then stays in the cache.
#if LANES > 1

constexpr int COUNT = NS + NK;              // species, then what `mix` adds to components
constexpr int ROW = LANES / WIDTH + 1;

// Fluxes through the faces below a strip, then through its own; the gains between.
typedef Pack Carried[COUNT][ROW];
typedef Pack Net[COUNT][PACKS];

// net: less what leaves through the face above a voxel, and what comes from below. Along x the
// face below is the one before in the row, and the sum begins.
template <int axis>
INLINE void settle(Pack moved, Pack* carried, Pack& net)
{
    if (axis == 2) {
        net = behind_last(carried[0], moved) - moved;
        carried[1] = moved;
    } else {
        net += carried[0] - moved;
        carried[0] = moved;
    }
}

template <Drift drift, bool wet, int axis>
INLINE void cross_one(Side& side, const real* c, Offset ahead, Offset far, const Ion n,
                      Pack* carried, Pack* net, Pack* rise)
{
    const int count = packs(side.f);
    const Offset beyond = (wet || drift >= LIMITED ? 2 : 1) * side.f.step;
    for (int q = 0; q < count; q++, c += WIDTH) {
        fetch_once(c + ahead + (axis == 2 ? 0 : beyond));
        if (axis == 0)
            fetch_far(c + far + beyond);
        const Pack moved = species_flux<drift, wet>(side, c, n, q, rise[q]);
        settle<axis>(moved, carried + q, net[q]);
    }
}

template <Drift drift, bool wet, int axis>
ROUTINE void cross_all(Side& side, const Task& task, const Shares& shares,
                       const Species& species, Pack* carried, Net& net)
{
    const Offset all = volume(task.g), far = row(task.g);
    const real* c = task.s.c + side.f.here;
    Pack rise[NS][PACKS];
    weigh(side.f, species);
    for (int n = 0; n < NS; n++, c += all, carried += ROW)
        if (species.of[n].charge == 0)
            cross_one<NONE, wet, axis>(side, c, all, far, species.of[n], carried, net[n], rise[n]);
        else
            cross_one<drift, wet, axis>(side, c, all, far, species.of[n], carried, net[n], rise[n]);
    if (!wet)
        return;
    Pack mixed[PACKS], change[PACKS];
    const int count = packs(side.f);
    for (int q = 0; q < count; q++)
        mixed[q] = mix(side, task, q);
    for (int m = 0; m < NK; m++, carried += ROW) {
        compose(shares, m, rise[0], PACKS, count, change);
        for (int q = 0; q < count; q++)
            settle<axis>(mixed[q] * change[q], carried + q, net[NS + m][q]);
    }
}

template <bool wet, int axis>
INLINE void cross_all(Side& side, const Task& task, const Shares& shares, const Species& species,
                      Pack* carried, Net& net)
{
    if (side.f.drift == CENTRAL)
        cross_all<CENTRAL, wet, axis>(side, task, shares, species, carried, net);
    else if (side.f.drift == LIMITED)
        cross_all<LIMITED, wet, axis>(side, task, shares, species, carried, net);
    else
        cross_all<SMALLER_SIDE, wet, axis>(side, task, shares, species, carried, net);
}

// Crosses the faces of an axis above `here`; `carried` are those below.
template <bool wet, int axis>
INLINE void cross(const Task& task, const Shares& shares, const Species& species, Offset here,
                  int faces, Pack* carried, Net& net)
{
    Side side;
    open_side(side, task.s, task.g, axis, here, faces, wet);
    cross_all<wet, axis>(side, task, shares, species, carried, net);
}

// Writes all components of a strip from packs of its species and of what `mix` adds.
template <bool wet>
INLINE void put(const Shares& shares, const Pack* of, int apart, int count, real* to, Offset all)
{
    Pack sum[PACKS];
    for (int m = 0; m < NK; m++, to += all) {
        compose(shares, m, of, apart, parts(count, WIDTH), sum);
        for (int q = 0; q * WIDTH < count; q++)
            store(to + q * WIDTH, wet ? sum[q] + of[(NS + m) * apart + q] : sum[q],
                  count - q * WIDTH);
    }
}

template <bool wet>
INLINE void put_flux(const Task& task, const Shares& shares, int axis, Offset here, int faces,
                     const Pack* carried)
{
    const Offset all = volume(task.g);
    put<wet>(shares, carried, ROW, faces, task.flux + axis * NK * all + here, all);
}

// The face before a row, the last of a pack.
template <bool keep, bool wet>
INLINE void enter_row(const Task& task, const Shares& shares, const Species& species, Offset here,
                      bool border, Carried& west, Net& net)
{
    cross<wet, 2>(task, shares, species, here - WIDTH, WIDTH, west[0], net);
    for (int n = 0; n < (wet ? COUNT : NS); n++) {
        west[n][0] = west[n][1];
        west[n][1][0] = west[n][1][WIDTH - 1];
    }
    if (keep && border)
        put_flux<wet>(task, shares, 2, here - 1, 1, west[0] + 1);
}

// Faces below a strip.
template <bool keep, bool wet, int axis>
INLINE void enter(const Task& task, const Shares& shares, const Species& species, Offset here,
                  int faces, bool border, Pack* carried, Net& net)
{
    const Offset face = here - stride(task.g, axis);
    cross<wet, axis>(task, shares, species, face, faces, carried, net);
    if (keep && border)
        put_flux<wet>(task, shares, axis, face, faces, carried);
}

template <bool keep, bool wet>
ROUTINE void by_strips(const Tile& t, const Task& task, const Shares& shares,
                       const Species& species)
{
    const Grid& g = task.g;
    Carried below[STRIPS] = {}, south = {}, west = {};
    Net net = {};
    for (int k = t.k; k < t.k + t.nk; k++)
        for (int j = t.j; j < t.j + t.nj; j++) {
            enter_row<keep, wet>(task, shares, species, at(t.i, j, k, g), t.i == 0, west, net);
            for (int first = 0, next; first < t.ni; first = next) {
                next = strip_end(first, t.ni);
                const Offset here = at(t.i + first, j, k, g);
                const int faces = next - first;
                Pack *z = below[j - t.j][0] + first / WIDTH, *y = south[0] + first / WIDTH;
                if (k == t.k)
                    enter<keep, wet, 0>(task, shares, species, here, faces, k == 0, z, net);
                if (j == t.j)
                    enter<keep, wet, 1>(task, shares, species, here, faces, j == 0, y, net);
                cross<wet, 2>(task, shares, species, here, faces, west[0], net);
                cross<wet, 1>(task, shares, species, here, faces, y, net);
                cross<wet, 0>(task, shares, species, here, faces, z, net);
                put<wet>(shares, net[0], PACKS, faces, task.gained + here, volume(g));
                if (keep) {
                    put_flux<wet>(task, shares, 2, here, faces, west[0] + 1);
                    put_flux<wet>(task, shares, 1, here, faces, y);
                    put_flux<wet>(task, shares, 0, here, faces, z);
                }
                for (int n = 0; n < (wet ? COUNT : NS); n++)
                    west[n][0] = west[n][parts(faces, WIDTH)];
            }
        }
}

#endif
