"""Kinds of ore and agents as shipped: what head and voltage drive, what is dosed."""

import pytest
from helpers.case_files import ROOT
from helpers.variant_files import variants

from ekm3d import Case, Simulation

CASES = ROOT / "cases"


def water(overrides):
    """Water that the cathodes draw at the start [l/h]."""
    sim = Simulation(Case.read(CASES / "field_ores", overrides), "numpy")
    sim.fields()
    return 3.6e6 * sum(-inflow[inflow < 0].sum() for _, inflow in sim.flow.wells)


# l/h at the start with the voltage and without, of the ore, and of ore with less electro-osmosis.
WATER = {"uniform": (3.579, 3.085), "tenth": (0.8621, 0.3095), "hundredth": (0.5836, 0.03095)}
SOIL = 0.3463


def test_a_voltage_brings_water_where_the_head_does_not():
    """Water that 1.1 m of head drives goes with the permeability, to rounding; electro-osmosis adds
    0.55 l/h in tight ore of any permeability, and a fifteenth of that by the value of soils.

    Less in uniform ore, where some openings take all of the pump's rate. All are recorded, as they
    depend on the shape of the field.
    """
    found = variants(CASES / "field_ores" / "ores.toml")
    drawn = {name: (water(found[f"{name}, voltage"]), water(found[f"{name}, none"]))
             for name in WATER}
    for name, both in WATER.items():
        assert drawn[name] == pytest.approx(both, rel=1e-3), name
    without = [drawn[name][1] for name in WATER]
    assert without == pytest.approx([without[0], without[0] / 10, without[0] / 100], rel=0.01)
    added = drawn["tenth"][0] - drawn["tenth"][1]
    assert added == pytest.approx(drawn["hundredth"][0] - drawn["hundredth"][1], rel=1e-3)
    soil = water(found["tenth, soil, voltage"])
    assert soil == pytest.approx(SOIL, rel=1e-3)
    assert soil - drawn["tenth"][1] == pytest.approx(added / 15.0, rel=1e-3)


@pytest.mark.slow
def test_every_kind_of_ore_is_a_case():
    """Ten kinds of ore, leached as well, as far as they are read; GSTools makes three of them."""
    pytest.importorskip("gstools")
    for case in ("field_ores", "field_ores_leaching"):
        found = variants(CASES / case / "ores.toml")
        for name in ("log-normal 1", "seams", "macropores") if "leach" in case else (
                "log-normal 2, none", "seams, voltage", "few competitors, voltage"):
            assert Case.read(CASES / case, found[name]).warnings == ()
    first, second = (Case.read(CASES / "field_ores_leaching", found[f"log-normal {n}"])
                     for n in (1, 2))
    assert (first.ore.hydraulic_conductivity != second.ore.hydraulic_conductivity).any()


def test_a_catholyte_is_held_by_acetic_acid():
    """pH 4 but for what the drain dilutes in a step; more acid than base, as it is weak: 15 % of it
    is acetate at pH 4. All of it is in the balance."""
    found = variants(CASES / "agents" / "variants.toml")
    sim = Simulation(Case.read(CASES / "agents", [
        *found["acetate, catholyte at pH 4"], "grid.spacing=[0.1, 1, 1]",
        "grid.origin=[-0.1, 0, 0]", "grid.size=[1.2, 1, 1]"]), "numpy")
    sim.step(), sim.step()
    s, acetate = sim.state, sim.chem.index("Acetate-")
    assert (sim.catholytes.dosed[acetate] > 0).tolist() == [False, True]
    assert s.catholyte_pH[1] == pytest.approx(4.0, abs=0.05)
    assert s.dosed[acetate] > -2 * s.electrode_acid[1] > 0
    assert sim.balances.mass_errors().max() < 1e-12
