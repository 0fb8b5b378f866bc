// Current through boundary faces; twin of ekm3d/physics/contact_currents.py. g: one voxel per face.

// Coupling S/(1 + S R) [S] of what carries current, its part of the diffusion current [A], and the
// source that the level behind it gives the voxel [A].
KERNEL couple_contacts(Grid g, const real* __restrict__ LIST(n) conductance,
                       const real* __restrict__ LIST(n) offset,
                       const real* __restrict__ LIST(n) series,
                       const real* __restrict__ LIST(n) level,
                       const real* __restrict__ LIST(n) shift,
                       const real* __restrict__ LIST(n) half_split,
                       const real* __restrict__ LIST(n) splitting,
                       const Flag* __restrict__ LIST(n) grouped,
                       const Flag* __restrict__ LIST(n) blocked, int n,
                       Flag* __restrict__ LIST(n) driven, real* __restrict__ LIST(n) coupling,
                       real* __restrict__ LIST(n) shared_offset,
                       real* __restrict__ LIST(n) source)
{
    EKM_VOXELS(i, j, k, g) {
        const bool carries = grouped[i] > 0 && !blocked[i]
                             && (!(half_split[i] > 0) || splitting[i] != 0);
        const real share = 1 / (1 + conductance[i] * series[i]);
        const real own = carries ? conductance[i] * share : real(0), part = offset[i] * share;
        driven[i] = carries;
        coupling[i] = own;
        shared_offset[i] = part;
        source[i] = carries ? own * (level[i] - shift[i]) - part : real(0);
    }
}

// Current into the ore [A] and voltage from the level behind to the voxel, less that over the
// contact [V]; the rest potential where no current passes.
KERNEL contact_currents(Grid g, const real* __restrict__ LIST(n) at_face,
                        const real* __restrict__ LIST(n) coupling,
                        const real* __restrict__ LIST(n) shared_offset,
                        const real* __restrict__ LIST(n) series,
                        const real* __restrict__ LIST(n) level,
                        const real* __restrict__ LIST(n) shift,
                        const real* __restrict__ LIST(n) conductance,
                        const real* __restrict__ LIST(n) offset,
                        const Flag* __restrict__ LIST(n) driven, int n,
                        real* __restrict__ LIST(n) into_ore, real* __restrict__ LIST(n) drop)
{
    EKM_VOXELS(i, j, k, g) {
        const real from = level[i] - shift[i], x = at_face[i];
        const real into = coupling[i] * (from - x) - shared_offset[i];
        const real rest = conductance[i] > 0 ? -offset[i] / conductance[i] : real(0);
        into_ore[i] = driven[i] ? into : real(0);
        drop[i] = driven[i] ? x - from + into * series[i] : rest;
    }
}

// backwards: driven metal whose current runs backwards; turned: faces that species cross, whose
// drift turned or grew since c* was chosen.
KERNEL flag_contacts(Grid g, const real* __restrict__ LIST(n) into_ore,
                     const real* __restrict__ LIST(n) drop,
                     const real* __restrict__ LIST(n) previous_drop,
                     const real* __restrict__ LIST(n) sign,
                     const Flag* __restrict__ LIST(n) passes,
                     const Flag* __restrict__ LIST(n) smaller_side,
                     const Flag* __restrict__ LIST(n) blocked, real highest, real f_rt,
                     real sure, real on_clay, int n, Flag* __restrict__ LIST(n) backwards,
                     Flag* __restrict__ LIST(n) turned)
{
    EKM_VOXELS(i, j, k, g) {
        const real now = highest * magnitude(drop[i]);
        const real old = highest * magnitude(previous_drop[i]);
        const bool turns = drop[i] * previous_drop[i] <= 0;
        const bool bad = (turns && now > sure) || now > 2 * larger(old, 1)
                         || (turns && f_rt * magnitude(drop[i]) > on_clay);
        backwards[i] = into_ore[i] * sign[i] < 0 && !blocked[i];
        turned[i] = bad && passes[i] && !smaller_side[i];
    }
}
