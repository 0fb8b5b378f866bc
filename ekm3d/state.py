"""One table of the quantities that a run carries, and the State that holds them.

Each quantity is declared once: unit, meaning, what its leading axis counts, and whether a
restart needs it. Arrays are padded with ghosts where they live on voxels.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Field:
    """What a state array means; `axis` names the leading axis, `where` the rest."""

    unit: str
    meaning: str
    axis: str = ""            # "", "components", "species", "exchange", "minerals", "unknowns" or
    #                           "logarithms": the unknowns but for minerals
    where: str = "voxels"     # "voxels", "strips", "places" (strips, then sides) or "run"
    restart: bool = True


FIELDS = {
    "totals_at_last_solve": Field("mol/m3", "component totals that a voxel was last solved for", "components"),
    "totals": Field("mol/m3", "component totals that equilibrate with the moving water (dissolved, "
               "exchanged, solid), per volume of rock", "components"),
    "c": Field("mol/m3", "aqueous species, per volume of water", "species", restart=False),
    "exchanged": Field("mol/m3", "exchangeable species, per volume of rock", "exchange",
                       restart=False),
    "solid": Field("mol/m3", "minerals, per volume of rock", "minerals", restart=False),
    "kinetic_minerals": Field("mol/m3", "minerals with a rate law, per volume of rock", "minerals"),
    "slow_sites": Field("mol/m3", "exchangeable species on slow sites, per volume of rock", "exchange"),
    "immobile": Field("mol/m3", "component totals of the immobile water and its clay, per volume "
                      "of rock", "components"),
    "immobile_water": Field("mol/m3", "components dissolved in immobile water, per volume of rock",
                            "components", restart=False),
    "immobile_exchanged": Field("mol/m3", "exchangeable species on the clay of immobile water, per "
                                "volume of rock", "exchange", restart=False),
    "immobile_solid": Field("mol/m3", "minerals in immobile water, per volume of rock", "minerals",
                            restart=False),
    "warm_start": Field("1", "unknowns of the last equilibrium, the start of the next", "unknowns"),
    "warm_start_rate": Field("1/s", "by how much the logarithms among these last changed: that start is "
                       "carried on", "logarithms"),
    "pH": Field("1", "-log10 of the activity of H+", restart=False),
    "transport_factor": Field("1", "theta tau f(I): what diffusion in free water is multiplied by",
                      restart=False),
    "pore_turnover": Field("s/m3", "coming step over pore volume and retardation, dt / (theta V R)",
                      restart=False),
    "charge": Field("mol/m3", "net charge of all phases, per volume of rock", restart=False),
    "phi": Field("V", "electric potential"),
    "phi_trend": Field("V", "change of phi in its last solution, which the next one starts along"),
    "head": Field("m", "hydraulic head"),
    "head_trend": Field("m", "change of head in its last solution"),
    "catholyte_totals": Field("mol", "component totals in the catholyte of each strip", "components", "strips"),
    "reservoir_species": Field("mol/m3", "aqueous species in the catholytes, and in the reservoirs at sides",
                    "species", "places", restart=False),
    "catholyte_warm_start": Field("1", "unknowns of the catholytes' last equilibrium", "unknowns", "strips"),
    "catholyte_pH": Field("1", "pH of the catholyte", "", "strips", restart=False),
    "plate_totals": Field("mol", "components held by the cathode plates", "components", "strips"),
    "leachate": Field("mol", "components in the collected leachate", "components", "run"),
    "drained": Field("mol", "components lost through drains", "components", "run"),
    "injected": Field("mol", "components brought in by injected water", "components", "run"),
    "gas_uptake": Field("mol", "components taken up from gases, less those given off", "components",
                      "run"),
    "electrode_acid": Field("mol", "H+ made at the anodes (+) and OH- made at the cathodes (-), by strip",
                  "", "strips"),
}


def counts(chem):
    """Length of every leading axis by name."""
    return {"components": len(chem.components), "species": len(chem.species),
            "exchange": len(chem.exchange), "minerals": len(chem.minerals),
            "unknowns": chem.unknowns,
            "logarithms": chem.unknowns - len(chem.minerals)}


class State:
    """All arrays of FIELDS, and the clock."""

    def __init__(self, grid, backend, counts, strips, sides):
        """counts: length of every leading axis by name."""
        self.time, self.step, self.weighted_sum = 0.0, 0, backend.weighted_sum
        self.leachate_volume = self.drained_volume = self.injected_volume = 0.0     # m3
        for name, field in FIELDS.items():
            lead = (counts[field.axis],) if field.axis else ()
            if field.where == "voxels":
                array = backend.zeros((*lead, *grid.padded))
            elif field.where == "strips" and field.axis == "components":
                array = np.zeros((strips, *lead))
            elif field.where in ("strips", "places"):
                array = np.zeros((*lead, strips + sides * (field.where == "places")))
            else:
                array = np.zeros(lead)
            setattr(self, name, array)
        self.catholyte_species = self.reservoir_species[:, :strips]


def clay_stores(s):
    """Arrays of exchangeable species, per volume of rock: fast sites, slow ones, immobile water."""
    return s.exchanged, s.slow_sites, s.immobile_exchanged


def mineral_stores(s):
    """Arrays of minerals, per volume of rock: equilibrium, with a rate law, immobile water."""
    return s.solid, s.kinetic_minerals, s.immobile_solid


def on_clay(s):
    """All exchangeable species, per volume of rock."""
    return sum(clay_stores(s))


def minerals(s):
    """All minerals, per volume of rock."""
    return sum(mineral_stores(s))


def components(s, chem):
    """All component totals, per volume of rock; acidity but for that of the bare slow sites."""
    total = s.totals + s.immobile + s.weighted_sum(chem.nu_m.T, s.kinetic_minerals) + s.weighted_sum(chem.nu_x.T, s.slow_sites)
    if chem.hydrogen is not None:
        total[chem.hydrogen] -= s.weighted_sum(chem.z_x, s.slow_sites)
    return total
