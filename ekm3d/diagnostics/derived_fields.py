"""Derived voxel fields for ParaView, computed from the state when a snapshot is due.

Computed one after the other on the device, so that memory is needed for a few of them only. A field
is one entry of `static_fields` or `dynamic_fields`, or one of the state that is `shown`.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial

import numpy as np

from ekm3d.diagnostics.output_field import OutputField
from ekm3d.diagnostics.run_view import FieldView, StateView
from ekm3d.errors import InputError
from ekm3d.grid.grid import GHOST, Array
from ekm3d.grid.stencil import above, below, ends, faces, flat
from ekm3d.quoting import quoted
from ekm3d.retention_curves import SATURATED
from ekm3d.state import clay_stores, has_water, mineral_stores, stores
from ekm3d.suggest import suggest

MG = 1e6     # mg per kg
HIDDEN = 32  # vtkDataSetAttributes::HIDDENCELL
ROCK = {     # properties that a medium may change, by their attribute of the ore and of the rock
    "porosity": OutputField("porosity", "1", "porosity"),
    "water_content": OutputField("water_content", "1", "water per volume of rock"),
    "tortuosity": OutputField("tortuosity", "1", "factor on diffusion in pore water"),
    "hydraulic_conductivity": OutputField("hydraulic_conductivity", "m/s", "Darcy's K"),
    "electroosmosis": OutputField("electroosmotic_permeability", "m2/V/s", "k_e")}
Fields = dict[OutputField, Callable[[], Array]]


def static_fields(sim: FieldView) -> dict[OutputField, np.ndarray]:
    """Fields that do not change: the rock and the electrodes' places; arrays (nz, ny, nx).

    NaN in electrodes, as in `snapshot`, but for electrode_row.
    """
    ore, el = sim.ore, sim.electrodes
    row = np.zeros(sim.grid.shape, np.int32)
    for n, mask in enumerate(el.masks):
        row[sim.domain.local_view(mask)] = el.strip_row[n] + 1
    follows = ("water_content", "tortuosity") if has_water(sim.state) else ()
    rock = {} if sim.nonequilibrium.media else {
        field: getattr(ore, name) for name, field in ROCK.items() if name not in follows}
    rock |= {OutputField("density", "kg/m3", "dry density"): ore.density,
             OutputField("cec", "eq/m3", "exchange capacity at the reference pH, per volume of "
                         "rock"): ore.fixed_charge}
    return {**{field: np.where(sim.holds_ore, values, np.nan) for field, values in rock.items()},
            OutputField("electrode_row", "1", "number of the electrode row, 0 in ore"): row,
            **_of_ground(sim)}


def _of_ground(sim: FieldView) -> dict[OutputField, np.ndarray]:
    """Fields of rock types, and of voxels that take no part, where the case has any.

    VTK and ParaView do not show voxels whose `vtkGhostType` is HIDDEN.
    """
    ground, out = sim.ore.ground, {}
    if ground.masks:
        names = ", ".join(f"{n} {name}" for n, name in enumerate(ground.masks, 1))
        out[OutputField("rock_type", "1", f"number of the rock type: 0 that of [ore], {names}")] = \
            ground.numbers(sim.grid.shape)
    if sim.electrodes.active is not None:
        active = sim.domain.local_view(sim.electrodes.active)
        out[OutputField("vtkGhostType", "1", f"{HIDDEN} in air and rock that take no part")] = \
            np.where(active, 0, HIDDEN).astype(np.uint8)
    return out


def dynamic_fields(sim: FieldView) -> Fields:
    """Fields of every snapshot, each with what computes it now, on the device.

    Its arrays are (nz, ny, nx), vectors (nz, ny, nx, 3). What they hold in electrodes means nothing
    but phi.
    """
    s, inner, rock = sim.state, sim.grid.inner, sim.nonequilibrium
    fields: Fields = {
        OutputField("phi", "V", "electric potential, mean over pulses; NaN in idle electrodes"):
            lambda: potential(sim)[inner],
        **{OutputField(name, field.unit, field.meaning): partial(_of_state, sim, name)
           for name, field in s.fields.items() if field.shown},
        OutputField("water_flux", "m/s", "Darcy flux, mean of opposite faces", 3):
            lambda: water_flux(sim),
        OutputField("current_density", "A/m2", "current, mean of opposite faces", 3):
            lambda: current_density(sim),
        OutputField("conductivity", "S/m", "electric conductivity of the wet rock"):
            lambda: sim.electrolyte.conductivity(s)[inner],
        OutputField("net_charge", "mol/m3", "charge of all phases, an audit, per volume of rock"):
            lambda: sum(charge[inner] for charge in stores(s, "charge", "immobile_charge")),
        OutputField("REE_mg_per_kg", "mg/kg", "ion-exchangeable REE: on clay and dissolved"):
            lambda: exchangeable_mg_per_kg(sim, "REE"),
        OutputField("REE_hydroxide_mg_per_kg", "mg/kg", "REE in solids"):
            lambda: solid_mg_per_kg(sim, "REE")}
    if rock.media:
        fields |= {field: partial(rock.rock_now, name) for name, field in ROCK.items()}
    if has_water(s):
        fields |= {
            ROCK["water_content"]: lambda: rock.water_content()[inner],
            OutputField("saturation", "1", "water content over that of full pores"):
                lambda: saturation(sim),
            OutputField("pressure_head", "m", "head less height, below 0 in unsaturated ore"):
                lambda: s.head[inner] - sim.flow.z[GHOST:-GHOST]}
    for k, label in enumerate(sim.chem.labels):
        fields |= {
            OutputField(f"{label}_dissolved", "mol/m3", f"{label} in all species, per volume of "
                        "water"): partial(concentration, sim, k),
            OutputField(f"{label}_exchanged", "mol/m3", f"{label} on clay, per volume of rock"):
                partial(exchanged, sim, k),
            OutputField(f"{label}_solid", "mol/m3", f"{label} in minerals, per volume of rock"):
                partial(solid, sim, k)}
    return fields


def _of_state(sim: StateView, name: str) -> Array:
    """Array of the state of that name, (nz, ny, nx)."""
    return getattr(sim.state, name)[sim.grid.inner]


def written_fields(sim: FieldView) -> list[OutputField]:
    """Fields that the case wants in its snapshots; InputError for a pattern without any."""
    fields, wanted = list(dynamic_fields(sim)), sim.case.output
    names = [field.name for field in fields]
    for pattern in wanted.fields:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"output.fields: {quoted(pattern)} is the name of no field"
                             f"{suggest(pattern, names)}")
    return [replace(field, precision=wanted.precision) for field in fields
            if any(fnmatchcase(field.name, pattern) for pattern in wanted.fields)]


def snapshot(sim: FieldView, names: Container[str] | None = None) -> Iterator[tuple[str, Array]]:
    """Yield (name, array) of dynamic fields now, one after the other, on the device.

    names: of the fields, by default all.

    NaN inside electrodes, where a 0 would look like leached ore; their potential is that of the
    metal. NaN in voxels that take no part.
    """
    metal, active = ~in_ore(sim), sim.electrodes.active
    air = None if active is None else sim.backend.from_numpy(
        np.ascontiguousarray(~sim.domain.local_view(active)))
    for field, computed in dynamic_fields(sim).items():
        if names is not None and field.name not in names:
            continue
        values = computed()
        if field.name != "phi":
            values = values + 0.0                    # a copy: the state's own arrays stay
            values[metal] = np.nan
        elif air is not None:
            values = np.where(air, np.nan, values)
        yield field.name, values


def saturation(sim: FieldView) -> Array:
    """Water content over that of full pores [1], (nz, ny, nx)."""
    full = sim.backend.from_numpy(np.ascontiguousarray(sim.ore.retention.curve[SATURATED]))
    return sim.nonequilibrium.water_content()[sim.grid.inner] / full


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


def solid_mg_per_kg(sim: FieldView, group: str) -> Array:
    """Mass of a group of components in minerals, per kg of dry ore; (nz, ny, nx)."""
    chem, mass = sim.chem, sim.backend.zeros(sim.grid.shape)                      # kg/m3
    for k in (k for k, g in enumerate(chem.groups) if g == group):
        mass += chem.molar_mass[k] * solid(sim, k)
    return MG * mass / sim.backend.from_numpy(sim.ore.density)


def in_ore(sim: FieldView) -> Array:
    """Mask of the voxels of ore, (nz, ny, nx), on the device."""
    return sim.backend.from_numpy(sim.holds_ore)


def concentration(sim: FieldView, k: int) -> Array:
    """Component k in all water, per volume of water, (nz, ny, nx) [mol/m3]."""
    theta = sim.nonequilibrium.water_content()[sim.grid.inner]
    return dissolved(sim, k) / np.where(in_ore(sim), theta, 1.0)


def water_flux(sim: FieldView) -> Array:
    """Darcy flux of every voxel, (nz, ny, nx, 3) [m/s]."""
    into_ore = -sim.backend.to_numpy(sim.flow.out)
    return vectors(sim, (faces(sim.flow.water[axis], axis) for axis in range(3)), into_ore)


def current_density(sim: FieldView) -> Array:
    """Current density of every voxel, (nz, ny, nx, 3) [A/m2]."""
    return vectors(sim, (current(sim, axis) for axis in range(3)), sim.potential.into_ore)


def vectors(sim: FieldView, flows: Iterable[Array], into_ore: np.ndarray) -> Array:
    """Voxel vectors (nz, ny, nx, 3) in x, y, z: means of the flows across opposite faces.

    flows: across the faces of axis z, y and x, 0 at electrodes and sides; into_ore: flow from
    every one of these boundary faces into the ore, in the same unit.
    """
    grid, backend, at = sim.grid, sim.backend, sim.contacts.faces
    out, boundary = backend.zeros((*grid.shape, 3)), backend.zeros(grid.padded)
    for axis, flow in enumerate(flows):
        lower, upper = ends(flow, axis)
        boundary[...] = 0.0
        across = at.axis == axis
        sim.domain.add_at(boundary, at.voxel[across], (at.way * into_ore)[across])
        mean = lower + upper
        mean += boundary[grid.inner]
        mean *= 0.5 / grid.face_area(axis)
        out[..., 2 - axis] = mean
    return out


def potential(sim: FieldView) -> Array:
    """Electric potential now, padded: the solution, and in electrodes that of their metal [V].

    NaN in electrodes that are idle. Mean over the pulses of a step, as all that follows from it.
    """
    phi = sim.state.phi.copy()
    voxels, values = map(sim.backend.from_numpy, sim.potential.metal_potential())
    flat(phi)[voxels] = values
    return phi


def current(sim: FieldView, axis: int) -> Array:
    """Current across the faces of an axis now [A], 0 at electrodes and sides."""
    p, phi = sim.potential, sim.state.phi
    flow = below(phi, axis) - above(phi, axis)
    flow *= faces(p.conductance[axis], axis)
    flow += faces(p.current[axis], axis)
    return flow
