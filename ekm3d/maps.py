"""The voxel fields that ParaView shows, worked out from the state when a snapshot is due."""

import numpy as np

from ekm3d.fields import minerals, on_clay
from ekm3d.snapshots import VoxelField
from ekm3d.stencil import above, below, faces

MG = 1e6     # mg per kg
ROCK = {     # what a medium that responds to its chemistry may change
    "porosity": ("1", "porosity"), "water_content": ("1", "water per volume of rock"),
    "tortuosity": ("1", "factor on diffusion in pore water"),
    "hydraulic_conductivity": ("m/s", "Darcy's K"),
    "electroosmotic_permeability": ("m2/V/s", "k_e")}


def static_fields(sim):
    """{VoxelField: array} of what does not change: the rock and where the electrodes are."""
    ore, el = sim.case.ore, sim.electrodes
    row = np.zeros(sim.grid.shape, np.int32)
    for n, mask in enumerate(el.masks):
        row[mask] = el.strip_row[n] + 1
    rock = dict(zip(ROCK, (ore.porosity, ore.water_content, ore.tortuosity,
                           ore.hydraulic_conductivity, ore.electroosmosis)))
    table = (*((name, *ROCK[name], values) for name, values in rock.items()
               if not sim.slow.media),
             ("density", "kg/m3", "dry density", ore.density),
             ("cec", "eq/m3", "exchange capacity at the reference pH, per volume of rock",
              ore.fixed_charge),
             ("electrode_row", "1", "number of the electrode row, 0 in ore", row))
    return {VoxelField(name, unit, meaning): values for name, unit, meaning, values in table}


def dynamic_fields(sim):
    """The VoxelFields of every snapshot."""
    chem = sim.chem
    out = [VoxelField("phi", "V", "electric potential"),
           VoxelField("head", "m", "hydraulic head"),
           VoxelField("water_flux", "m/s", "Darcy flux, mean of opposite faces in the ore", 3),
           VoxelField("current_density", "A/m2", "current, mean of opposite faces in the ore", 3),
           VoxelField("conductivity", "S/m", "electric conductivity of the wet rock"),
           VoxelField("pH", "1", "-log10 of the activity of H+; NaN inside electrodes"),
           VoxelField("net_charge", "mol/m3", "charge of all phases, an audit, per volume of rock"),
           VoxelField("REE_mg_per_kg", "mg/kg", "ion-exchangeable REE: on clay and dissolved"),
           VoxelField("REE_hydroxide_mg_per_kg", "mg/kg", "REE in solids")]
    if sim.slow.media:
        out += [VoxelField(name, *about) for name, about in ROCK.items()]
    for label in chem.labels:
        out += [VoxelField(f"{label}_{phase}", "mol/m3", f"{label} {where}")
                for phase, where in (("dissolved", "in all species, per volume of water"),
                                     ("exchanged", "on clay, per volume of rock"),
                                     ("solid", "in minerals, per volume of rock"))]
    return out


def phases(sim):
    """(dissolved, exchanged, solid) of every component, mol per m3 of rock; (K, nz, ny, nx)."""
    s, chem, inner = sim.state, sim.chem, sim.grid.inner
    water = s.mix(chem.nu.T, s.c[inner]) * sim.rock["water_content"][inner]
    return tuple(map(sim.backend.to_numpy, (
        water + s.immobile_water[inner], s.mix(chem.nu_x.T, on_clay(s)[inner]),
        s.mix(chem.nu_m.T, minerals(s)[inner]))))


def group_mg_per_kg(sim, amounts, group):
    """Mass of a group of components per kg of dry ore from mol per m3 of rock (K, ...)."""
    chem = sim.chem
    chosen = [k for k, g in enumerate(chem.groups) if g == group]
    mass = np.tensordot(chem.molar_mass[chosen], amounts[chosen], 1)
    return MG * mass / sim.case.ore.density


def vectors(face_values, grid):
    """Voxel vectors (nz, ny, nx, 3) in x, y, z from flows across faces (3, padded), per area."""
    out = np.zeros((*grid.shape, 3))
    for axis in range(3):
        flow = faces(face_values[axis], axis) / grid.face_area(axis)
        index = [slice(None)] * 3
        index[axis] = slice(0, -1)
        lower = flow[tuple(index)]
        index[axis] = slice(1, None)
        out[..., 2 - axis] = 0.5 * (lower + flow[tuple(index)])
    return out


def snapshot(sim):
    """{name: array} of the dynamic fields now."""
    s, chem, grid, inner = sim.state, sim.chem, sim.grid, sim.grid.inner
    host = sim.backend.to_numpy
    water, clay, solid = phases(sim)
    theta = np.where(sim.electrodes.ore, host(sim.slow.water_content()[inner]), 1.0)
    current = np.zeros_like(sim.potential.current)
    for axis in range(3):
        faces(current[axis], axis)[...] = faces(sim.potential.current[axis], axis) + faces(
            sim.potential.conductance[axis], axis) * (below(s.phi, axis) - above(s.phi, axis))
    out = {"phi": host(s.phi[inner]), "head": host(s.head[inner]),
           "pH": np.where(sim.electrodes.ore, host(s.pH[inner]), np.nan),
           "water_flux": vectors(host(sim.flow.water), grid),
           "current_density": vectors(host(current), grid),
           "conductivity": host(sim.electrolyte.conductivity(s)[inner]),
           "net_charge": host(s.charge[inner]),
           "REE_mg_per_kg": group_mg_per_kg(sim, water + clay, "REE"),
           "REE_hydroxide_mg_per_kg": group_mg_per_kg(sim, solid, "REE")}
    if sim.slow.media:
        out |= {name: host(array) for name, array in sim.slow.rock_now().items()}
    for k, label in enumerate(chem.labels):
        out[f"{label}_dissolved"] = water[k] / theta
        out[f"{label}_exchanged"] = clay[k]
        out[f"{label}_solid"] = solid[k]
    return out
