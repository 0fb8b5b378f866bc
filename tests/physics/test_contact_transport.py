"""Fluxes through boundary faces: each kernel beside its NumPy twin."""

import numpy as np
import pytest

from ekm3d.backends.choose import choose_backend
from ekm3d.constants import F_RT, FARADAY
from ekm3d.grid.grid import Grid
from ekm3d.physics.contact_transport import contact_fluxes, contact_rates


@pytest.mark.parametrize("species, components", [(3, 2), (24, 10)])
def test_compiled_fluxes_are_those_of_the_reference(cuda, rng, species, components):
    """Closed faces, marked ones, water of either way; more voxels than faces.

    Sums over species differ by the order of the product's roundings: ten of the absolute terms.
    """
    n, m, places = 150, 300, 4
    g = Grid((n, 1, 1), (1.0, 1.0, 1.0))
    z, d = rng.integers(-2, 4, species).astype(float), rng.uniform(1e-9, 9e-9, species)
    nu = rng.integers(-3, 4, (species, components)).astype(float)
    ore, there = (10.0 ** rng.uniform(-6, 3, (species, k)) for k in (m, places))
    strip, contact = rng.integers(0, places, n), rng.random(n)
    before, drop = rng.normal(size=(2, n)) * 0.1
    smaller, passes = ((rng.random(n) < share).astype(np.uint8) for share in (0.2, 0.6))
    flow = rng.normal(size=n) * (rng.random(n) < 0.5) * 1e-8
    found = []
    for on in (*map(choose_backend, ("numpy", "cpp")), cuda):
        out = on.zeros((components, n))
        on.bind(contact_fluxes, NS=species, NK=components)(
            g, *map(on.from_numpy, (ore, there, strip, contact, before, drop, smaller, passes,
                                    flow)), z, d, nu, 0.9, n, m, places, out)
        found.append(on.to_numpy(out))
    largest = np.maximum(ore[:, :n], there[:, strip])
    terms = abs(nu.T) @ (largest * (
        contact * d[:, None] * (2 + 1.8 * F_RT * abs(z)[:, None] * abs(drop)) + abs(flow)))
    for other in found[1:]:
        assert (abs(other - found[0]) <= 10 * np.finfo(float).eps * terms).all()
    idle = (passes == 0) & (flow == 0.0)
    assert not found[1][:, idle].any() and idle.any() and found[0][:, ~idle].any()


def test_what_a_face_makes_and_how_far_it_bounds_the_step(cuda, rng):
    """I/F of metal and tanks; G, and G times the drift out of the ore of either sign of ions."""
    n = 100
    g = Grid((n, 1, 1), (1.0, 1.0, 1.0))
    into, drop, contact = rng.normal(size=(3, n))
    contact = abs(contact)
    passes, makes = ((rng.random(n) < 0.5).astype(np.uint8) for _ in range(2))
    by = F_RT * 0.9 * drop
    wanted = [np.where(makes, into / FARADAY, 0.0), contact * passes,
              contact * passes * by.clip(0.0), contact * passes * (-by).clip(0.0)]
    for on in (*map(choose_backend, ("numpy", "cpp")), cuda):
        out = [on.zeros(n) for _ in range(4)]
        on.bind(contact_rates, NS=3, NK=2)(g, *map(on.from_numpy, (into, drop, contact, passes,
                                                                   makes)), 0.9, n, *out)
        assert np.array_equal([on.to_numpy(a) for a in out], wanted)
