"""State of a run: one table of all fields, and the arrays themselves.

Each field is declared once: unit, meaning, leading axis, the process that it belongs to, and
whether a restart needs it. Arrays on voxels are padded with ghosts. A state holds the fields of the
processes of its case and no others; what adds up over several stores asks `stores` for those that
are there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np


@dataclass(frozen=True)
class Field:
    """Description of an array of the state; `axis` names the leading axis, `where` the rest."""

    unit: str
    meaning: str
    axis: str = ""            # "", "components", "species", "exchange", "minerals", "unknowns" or
    #                           "logarithms": the unknowns but for minerals
    where: str = "voxels"     # "voxels", "strips", "places" (strips, then sides) or "run"
    restart: bool = True
    last_of: str = ""         # field whose last rows these are: not stored by itself
    process: str = ""         # one of PROCESSES, without which there is no such field; "": always
    kind: type = float        # np.float32 for what is only a guess
    shown: bool = False       # in snapshots as it is, by its name: one number of every voxel


KINETICS, SLOW_SITES, IMMOBILE, IMMOBILE_FIELD, UNSATURATED = PROCESSES = (
    "kinetic minerals", "slow sites", "immobile water", "field in immobile water",
    "unsaturated water")

FIELDS = {
    "totals_at_last_solve": Field(
        "mol/m3", "component totals at a voxel's last equilibrium", "components"
    ),
    "totals": Field(
        "mol/m3",
        "component totals that equilibrate with the moving water (dissolved, "
        "exchanged, solid), per volume of rock",
        "components",
    ),
    "c": Field("mol/m3", "aqueous species, per volume of water", "species"),
    "exchanged": Field(
        "mol/m3", "exchangeable species, per volume of rock", "exchange"
    ),
    "solid": Field(
        "mol/m3",
        "minerals, per volume of rock",
        "minerals",
        restart=False,
        last_of="warm_start",
    ),
    "kinetic_minerals": Field(
        "mol/m3", "minerals with a rate law, per volume of rock", "minerals", process=KINETICS
    ),
    "slow_sites": Field(
        "mol/m3",
        "exchangeable species on slow sites, per volume of rock",
        "exchange",
        process=SLOW_SITES,
    ),
    "immobile": Field(
        "mol/m3",
        "component totals of the immobile water and its clay, per volume of rock",
        "components",
        process=IMMOBILE,
    ),
    "immobile_water": Field(
        "mol/m3",
        "components dissolved in immobile water, per volume of rock",
        "components",
        process=IMMOBILE,
    ),
    "immobile_exchanged": Field(
        "mol/m3",
        "exchangeable species on the clay of immobile water, per volume of rock",
        "exchange",
        process=IMMOBILE,
    ),
    "immobile_solid": Field(
        "mol/m3",
        "minerals in immobile water, per volume of rock",
        "minerals",
        process=IMMOBILE,
    ),
    "immobile_c": Field(
        "mol/m3",
        "aqueous species of the immobile water, per volume of it",
        "species",
        process=IMMOBILE_FIELD,
    ),
    "immobile_content": Field("1", "immobile water per volume of rock", process=IMMOBILE_FIELD),
    "immobile_factor": Field(
        "1", "theta tau f(I) of the immobile water", process=IMMOBILE_FIELD
    ),
    "immobile_turnover": Field(
        "s/m3", "pore turnover of the immobile water", restart=False, process=IMMOBILE_FIELD
    ),
    "immobile_charge": Field(
        "mol/m3",
        "net charge of the immobile water and its clay, per volume of rock",
        process=IMMOBILE_FIELD,
    ),
    "warm_start": Field("1", "unknowns of the last equilibrium, the start of the next", "unknowns"),
    "warm_start_rate": Field(
        "1/s",
        "last rate of change of the logarithms among them: the warm start is extrapolated",
        "logarithms",
        kind=np.float32,
    ),
    "pH": Field("1", "-log10 of the activity of H+", shown=True),
    "transport_factor": Field(
        "1", "theta tau f(I): factor on diffusion in free water"
    ),
    "pore_turnover": Field(
        "s/m3", "coming step over pore volume and retardation, dt / (theta V R)", restart=False
    ),
    "charge": Field("mol/m3", "net charge of all phases, per volume of rock"),
    "phi": Field("V", "electric potential"),
    "phi_trend": Field("V", "change of phi in its last solution, the direction of the next guess"),
    "head": Field("m", "hydraulic head", shown=True),
    "head_trend": Field("m", "change of head in its last solution, likewise"),
    "water_content": Field(
        "1", "water per volume of rock, with that of specific storage", process=UNSATURATED
    ),
    "elastic_water": Field(
        "1", "the part of it in specific storage", process=UNSATURATED
    ),
    "water_rate": Field(
        "1/s", "change of the water content in the last sub-step", process=UNSATURATED
    ),
    "water_at_last_solve": Field(
        "1", "moving water content at a voxel's last equilibrium", process=UNSATURATED
    ),
    "catholyte_totals": Field(
        "mol", "component totals in the catholyte of each strip", "components", "strips"
    ),
    "reservoir_species": Field(
        "mol/m3",
        "aqueous species in the catholytes, and in the reservoirs at sides",
        "species",
        "places",
    ),
    "catholyte_warm_start": Field(
        "1", "unknowns of the catholytes' last equilibrium", "unknowns", "strips"
    ),
    "catholyte_pH": Field("1", "pH of the catholyte", "", "strips"),
    "plate_totals": Field("mol", "components held by the cathode plates", "components", "strips"),
    "leachate": Field("mol", "components in the collected leachate", "components", "run"),
    "drained": Field("mol", "components lost through drains", "components", "run"),
    "injected": Field("mol", "components brought in by injected water", "components", "run"),
    "gas_uptake": Field(
        "mol", "components taken up from gases, less those given off", "components", "run"
    ),
    "dosed": Field("mol", "components dosed into the catholytes", "components", "run"),
    "electrode_acid": Field(
        "mol", "H+ made at the anodes (+) and OH- made at the cathodes (-), by strip", "", "strips"
    ),
    "electrode_charge": Field("C", "charge passed by each strip, of either sign", "", "strips"),
}


def counts(chem: Any) -> dict[str, int]:
    """Length of every leading axis by name; chem: a ChemicalSystem."""
    return {"components": len(chem.components), "species": len(chem.species),
            "exchange": len(chem.exchange), "minerals": len(chem.minerals),
            "unknowns": chem.unknowns,
            "logarithms": chem.unknowns - len(chem.minerals)}


def fields_of(processes: Collection[str]) -> dict[str, Field]:
    """Fields of a run in which these PROCESSES take part."""
    return {name: field for name, field in FIELDS.items()
            if not field.process or field.process in processes}


class State:
    """Arrays of FIELDS as attributes, the clock, and the volumes of water that have passed.

    fields: those of FIELDS that it holds; time: s; step: number of steps taken; leachate_volume,
    drained_volume, injected_volume: m3.
    """

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            """Array of the field of that name."""

    def __init__(self, grid: Any, backend: Any, counts: Mapping[str, int], strips: int,
                 sides: int, processes: Collection[str] = ()):
        """grid: this rank's Grid; backend: where voxel arrays live; counts: length of every leading
        axis by name; strips, sides: numbers of electrode strips and of open sides; processes: of
        PROCESSES, those that take part."""
        self.time, self.step, self.weighted_sum = 0.0, 0, backend.weighted_sum
        self.leachate_volume = self.drained_volume = self.injected_volume = 0.0     # m3
        self.next_substep = 1e30        # s, of unsaturated water
        self.water_substeps = 0         # that this water has taken, in all steps
        self.fields, self.processes = fields_of(processes), tuple(processes)
        for name, field in self.fields.items():
            lead = (counts[field.axis],) if field.axis else ()
            if field.last_of:
                continue
            if field.where == "voxels":
                array = backend.zeros((*lead, *grid.padded), field.kind)
            elif field.where in ("strips", "places"):
                array = np.zeros((*lead, strips + sides * (field.where == "places")))
            else:
                array = np.zeros(lead)
            setattr(self, name, array)
        for name, field in self.fields.items():
            if field.last_of:
                whole = getattr(self, field.last_of)
                setattr(self, name, whole[len(whole) - counts[field.axis]:])
        self.catholyte_species = self.reservoir_species[:, :strips]


def has_water(s: State) -> bool:
    """Return True where the water content is part of the state: the ore may be unsaturated."""
    return UNSATURATED in s.processes


def has_immobile_field(s: State) -> bool:
    """Return True where current flows and species move through the immobile water, too."""
    return hasattr(s, "immobile_c")


def stores(s: State, *names: str) -> list:
    """Arrays of those of these fields that the state holds."""
    return [getattr(s, name) for name in names if hasattr(s, name)]


def clay_stores(s: State) -> list:
    """Exchangeable species, per volume of rock: on fast sites, on slow ones, in immobile water."""
    return stores(s, "exchanged", "slow_sites", "immobile_exchanged")


def mineral_stores(s: State) -> list:
    """Minerals, per volume of rock: in equilibrium, with a rate law, in immobile water."""
    return stores(s, "solid", "kinetic_minerals", "immobile_solid")


def on_clay(s: State, part: Any = ...) -> Any:
    """All exchangeable species, per volume of rock; part: index of the voxels, all if left out."""
    return sum(store[part] for store in clay_stores(s))


def minerals(s: State, part: Any = ...) -> Any:
    """All minerals, per volume of rock; part: index of the voxels, all if left out."""
    return sum(store[part] for store in mineral_stores(s))


def component(s: State, chem: Any, k: int) -> Any:
    """Total of component k, per volume of rock; acidity without that of the bare slow sites."""
    total = sum(array[k] for array in stores(s, "totals", "immobile"))
    for minerals_apart in stores(s, "kinetic_minerals"):
        total += s.weighted_sum(chem.nu_m[:, k], minerals_apart)
    for held in stores(s, "slow_sites"):
        total += s.weighted_sum(chem.nu_x[:, k], held)
        if k == chem.hydrogen:
            total -= s.weighted_sum(chem.z_x, held)
    return total
