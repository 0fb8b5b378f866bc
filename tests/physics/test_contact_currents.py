"""Currents through boundary faces: each kernel beside its NumPy twin, and by hand."""

import numpy as np

from ekm3d.backends.choose import choose_backend
from ekm3d.grid.grid import Grid
from ekm3d.physics.contact_currents import contact_currents, couple_contacts, flag_contacts

N = 300
G = Grid((N, 1, 1), (1.0, 1.0, 1.0))


def both(op, cuda, inputs, outputs):
    """Outputs of an operator by NumPy, cpp and block by block, all with the bits of the first."""
    found = []
    for on in (*map(choose_backend, ("numpy", "cpp")), cuda):
        out = [on.from_numpy(np.full(N, 99, kind)) for kind in outputs]
        on.bind(op)(G, *(on.from_numpy(a) if isinstance(a, np.ndarray) else a for a in inputs), N,
                    *out)
        found.append([on.to_numpy(a) for a in out])
    for other in found[1:]:
        for a, b in zip(other, found[0], strict=True):
            assert np.array_equal(a, b)
    return found[0]


def flags(rng, share):
    return (rng.random(N) < share).astype(np.uint8)


def test_coupling_and_current_of_a_face(cuda, rng):
    """S/(1 + S R) and the current of that Robin condition; idle, blocked and floating faces.

    The current found passes the contact and the half voxel in series: by Ohm's law over both,
    ten roundings of the largest term.
    """
    conductance = rng.random(N) * (rng.random(N) < 0.9)
    offset, level, shift, phi = rng.normal(size=(4, N))
    series, half = rng.random(N), 1.25 * (rng.random(N) < 0.5)
    sign = rng.integers(-1, 2, N) * (half > 0.0)
    grouped, blocked = flags(rng, 0.8), flags(rng, 0.2)
    driven, coupling, shared, source = both(
        couple_contacts, cuda, (conductance, offset, series, level, shift, half, sign * 1.0,
                                grouped, blocked), (np.uint8, float, float, float))
    wanted = (grouped == 1) & (blocked == 0) & ((half == 0.0) | (sign != 0))
    assert np.array_equal(driven, wanted) and 50 < wanted.sum() < N - 50
    assert not coupling[~wanted].any() and not source[~wanted].any()
    into, drop = both(contact_currents, cuda, (phi, coupling, shared, series, level, shift,
                                               conductance, offset, driven), (float, float))
    assert not into[~wanted].any()
    lets = conductance > 0
    np.testing.assert_allclose(drop[~wanted & lets], (-offset / conductance.clip(1e-300))[
        ~wanted & lets], rtol=1e-15)
    assert not drop[~wanted & ~lets].any()
    terms = abs(level) + abs(shift) + abs(phi) + abs(offset)
    # behind the contact: level - shift - R I; from there S (V - phi) - I_d flows into the voxel
    at_face = level - shift - series * into
    error = into - (conductance * (at_face - phi) - offset)
    assert (abs(error)[wanted] < 10 * np.finfo(float).eps * (1 + series + conductance)[wanted] ** 2
            * terms[wanted]).all()
    np.testing.assert_allclose(drop[wanted], (phi - at_face)[wanted], atol=1e-14)


def test_flags_of_currents_and_drifts(cuda, rng):
    """Every condition by itself, and all of them at random; the kernel by the very comparisons."""
    into, drop, before = rng.normal(size=(3, N))
    before[:50] = drop[:50]
    drop[50:60] = 0.0
    sign, passes, smaller = rng.integers(-1, 2, N) * 1.0, flags(rng, 0.7), flags(rng, 0.2)
    blocked, f_rt, sure = flags(rng, 0.2), 38.9, 0.5
    for on_clay in (np.inf, 1e-6):
        scale = 0.02
        backwards, turned = both(flag_contacts, cuda, (
            into, scale * drop, scale * before, sign, passes, smaller, blocked, 3 * f_rt, f_rt,
            sure, on_clay), (np.uint8, np.uint8))
        assert np.array_equal(backwards, (into * sign < 0) & (blocked == 0)) and backwards.any()
        u, old = 3 * f_rt * scale * abs(drop), 3 * f_rt * scale * abs(before)
        turns = drop * before <= 0
        bad = turns & ((u > sure) | (u / 3 > on_clay)) | (u > np.maximum(2 * old, 2.0))
        assert np.array_equal(turned, bad & (passes == 1) & (smaller == 0))
        assert 0 < turned.sum() < N
