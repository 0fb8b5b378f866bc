"""Derived voxel fields for ParaView, computed from the state when a snapshot is due.

Computed one after the other on the device, so that memory is needed for a few of them only.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from ekm3d.backends.base import Backend
from ekm3d.diagnostics.output_field import OutputField
from ekm3d.diagnostics.run_view import FieldView, StateView
from ekm3d.grid.grid import GHOST, Array, Grid
from ekm3d.grid.stencil import above, below, ends, faces, flat
from ekm3d.retention_curves import SATURATED
from ekm3d.state import clay_stores, has_water, mineral_stores, stores

MG = 1e6     # mg per kg
ROCK = {     # properties that a medium may change in response to its chemistry
    "porosity": ("1", "porosity"), "water_content": ("1", "water per volume of rock"),
    "tortuosity": ("1", "factor on diffusion in pore water"),
    "hydraulic_conductivity": ("m/s", "Darcy's K"),
    "electroosmotic_permeability": ("m2/V/s", "k_e")}


def static_fields(sim: FieldView) -> dict[OutputField, np.ndarray]:
    """Fields that do not change: the rock and the electrodes' places; arrays (nz, ny, nx)."""
    ore, el = sim.ore, sim.electrodes
    row = np.zeros(sim.grid.shape, np.int32)
    for n, mask in enumerate(el.masks):
        row[sim.domain.local_view(mask)] = el.strip_row[n] + 1
    rock = dict(zip(ROCK, (ore.porosity, ore.water_content, ore.tortuosity,
                           ore.hydraulic_conductivity, ore.electroosmosis),
                    strict=True))
    table = (*((name, *ROCK[name], values) for name, values in rock.items()
               if not sim.nonequilibrium.media and name not in following(sim)),
             ("density", "kg/m3", "dry density", ore.density),
             ("cec", "eq/m3", "exchange capacity at the reference pH, per volume of rock",
              ore.fixed_charge),
             ("electrode_row", "1", "number of the electrode row, 0 in ore", row))
    return {OutputField(name, unit, meaning): values for name, unit, meaning, values in table}


def following(sim: FieldView) -> tuple[str, ...]:
    """Names of ROCK that follow the water where the ore may be unsaturated."""
    return ("water_content", "tortuosity") if has_water(sim.state) else ()


def dynamic_fields(sim: FieldView) -> list[OutputField]:
    """Fields of every snapshot."""
    chem = sim.chem
    out = [OutputField("phi", "V", "electric potential"),
           OutputField("head", "m", "hydraulic head"),
           OutputField("water_flux", "m/s", "Darcy flux, mean of opposite faces in the ore", 3),
           OutputField("current_density", "A/m2", "current, mean of opposite faces in the ore", 3),
           OutputField("conductivity", "S/m", "electric conductivity of the wet rock"),
           OutputField("pH", "1", "-log10 of the activity of H+; NaN inside electrodes"),
           OutputField("net_charge", "mol/m3",
                       "charge of all phases, an audit, per volume of rock"),
           OutputField("REE_mg_per_kg", "mg/kg", "ion-exchangeable REE: on clay and dissolved"),
           OutputField("REE_hydroxide_mg_per_kg", "mg/kg", "REE in solids")]
    if sim.nonequilibrium.media:
        out += [OutputField(name, *about) for name, about in ROCK.items()]
    if has_water(sim.state):
        out += [OutputField("water_content", *ROCK["water_content"]),
                OutputField("saturation", "1", "water content over that of full pores"),
                OutputField("pressure_head", "m", "head less height, below 0 in unsaturated ore")]
    for label in chem.labels:
        out += [OutputField(f"{label}_{phase}", "mol/m3", f"{label} {where}")
                for phase, where in (("dissolved", "in all species, per volume of water"),
                                     ("exchanged", "on clay, per volume of rock"),
                                     ("solid", "in minerals, per volume of rock"))]
    return out


def parts(sim: StateView, k: int) -> tuple[Array, Array, Array]:
    """Amounts (dissolved, exchanged, solid) of component k [mol per m3 of rock]; (nz, ny, nx)."""
    return dissolved(sim, k), exchanged(sim, k), solid(sim, k)


def dissolved(sim: StateView, k: int) -> Array:
    """Amount of component k in all water, (nz, ny, nx) [mol per m3 of rock]."""
    inner = sim.grid.inner
    water = _amount(sim, sim.chem.nu[:, k], [sim.state.c])
    water *= sim.rock.water_content[inner]
    for still in stores(sim.state, "immobile_water"):
        water += still[k][inner]
    return water


def exchanged(sim: StateView, k: int) -> Array:
    """Amount of component k on all clay, (nz, ny, nx) [mol per m3 of rock]."""
    return _amount(sim, sim.chem.nu_x[:, k], clay_stores(sim.state))


def solid(sim: StateView, k: int) -> Array:
    """Amount of component k in all minerals, (nz, ny, nx) [mol per m3 of rock]."""
    return _amount(sim, sim.chem.nu_m[:, k], mineral_stores(sim.state))


def _amount(sim: StateView, nu: np.ndarray, arrays: Iterable[Array]) -> Array:
    """Sum of nu[n] array[n] over species n and arrays (species, padded); (nz, ny, nx)."""
    total = sim.backend.zeros(sim.grid.shape)
    for array in arrays:
        for n in np.flatnonzero(nu):
            total += nu[n] * array[n][sim.grid.inner]
    return total


def exchangeable_mg_per_kg(sim: FieldView, group: str) -> Array:
    """Mass of a group of components, dissolved and on clay, per kg of dry ore; (nz, ny, nx)."""
    chem, mass = sim.chem, sim.backend.zeros(sim.grid.shape)
    for k in (k for k, g in enumerate(chem.groups) if g == group):
        amount = dissolved(sim, k)
        amount += exchanged(sim, k)
        mass += chem.molar_mass[k] * amount
    mass *= MG
    mass /= sim.backend.from_numpy(sim.ore.density)
    return mass


def vectors(grid: Grid, backend: Backend, flows: Iterable[Array]) -> Array:
    """Voxel vectors (nz, ny, nx, 3) in x, y, z from flows across the faces of axis z, y and x."""
    out = backend.zeros((*grid.shape, 3))
    for axis, flow in enumerate(flows):
        lower, upper = ends(flow, axis)
        mean = lower + upper
        mean *= 0.5 / grid.face_area(axis)
        out[..., 2 - axis] = mean
    return out


def potential(sim: FieldView) -> Array:
    """Electric potential now, padded: the solution, and in electrodes that of their metal [V]."""
    phi = sim.state.phi.copy()
    voxels, values = map(sim.backend.from_numpy, sim.potential.metal_potential())
    flat(phi)[voxels] = values
    return phi


def current(sim: FieldView, axis: int, phi: Array) -> Array:
    """Current across the faces of an axis now [A]; phi: padded [V]."""
    p, flow = sim.potential, below(phi, axis) - above(phi, axis)
    flow *= faces(p.conductance[axis], axis)
    flow += faces(p.current[axis], axis)
    return flow


def snapshot(sim: FieldView) -> Iterator[tuple[str, Array]]:
    """Yield (name, array) of every dynamic field now, one after the other, on the device."""
    s, chem, grid, inner = sim.state, sim.chem, sim.grid, sim.grid.inner
    ore = sim.backend.from_numpy(sim.holds_ore)
    phi = potential(sim)
    yield "phi", phi[inner]
    yield "head", s.head[inner]
    yield "pH", np.where(ore, s.pH[inner], np.nan)
    yield "water_flux", vectors(grid, sim.backend, (
        faces(sim.flow.water[axis], axis) for axis in range(3)))
    yield "current_density", vectors(grid, sim.backend, (
        current(sim, axis, phi) for axis in range(3)))
    del phi                                        # nothing is kept longer than it is needed
    yield "conductivity", sim.electrolyte.conductivity(s)[inner]
    yield "net_charge", s.charge[inner]
    if sim.nonequilibrium.media:
        yield from sim.nonequilibrium.rock_now().items()
    theta = np.where(ore, sim.nonequilibrium.water_content()[inner], 1.0)
    if has_water(s):
        yield "water_content", np.where(ore, theta, 0.0)
        full = sim.backend.from_numpy(sim.ore.retention.curve[SATURATED])
        yield "saturation", np.where(ore, theta / full, 0.0)
        yield "pressure_head", s.head[inner] - sim.flow.z[GHOST:-GHOST]
    hydroxide = sim.backend.zeros(grid.shape)                                     # kg/m3
    for k, label in enumerate(chem.labels):
        yield f"{label}_dissolved", dissolved(sim, k) / theta
        yield f"{label}_exchanged", exchanged(sim, k)
        amount = solid(sim, k)
        if chem.groups[k] == "REE":
            hydroxide += chem.molar_mass[k] * amount
        yield f"{label}_solid", amount
        del amount
    del theta
    yield "REE_mg_per_kg", exchangeable_mg_per_kg(sim, "REE")
    yield "REE_hydroxide_mg_per_kg", MG * hydroxide / sim.backend.from_numpy(sim.ore.density)
