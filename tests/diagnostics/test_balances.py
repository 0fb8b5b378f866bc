"""Balances that the program's own audit has no part in: Faraday's law, mass, charge, current."""

import tomllib

import numpy as np
import pytest
from helpers.salt_block import ORE, SALT, advance, salt_case, simulation, through_wall

from ekm3d.constants import FARADAY
from ekm3d.grid.grid import GHOST
from ekm3d.grid.stencil import faces

CHEMISTRIES = pytest.mark.parametrize("chemistry", [SALT, ORE], ids=["salt", "ore"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return salt_case(tmp_path_factory.mktemp("salt"))


def protons(folder, sim):
    """H+ per mol of every species, exchange species and mineral, read from the database's text."""
    name = "database.toml" if len(sim.chem.exchange) else "salt.toml"
    data = tomllib.loads((folder / name).read_text())
    count = {"H+": 1.0}
    for record in data["species"] + data.get("exchange", []) + data.get("mineral", []):
        count[record["name"]] = record["reaction"].get("H+", 0.0)
    sites = {r["name"]: r["reaction"]["X-"] for r in data.get("exchange", [])}
    return ([count.get(n, 0.0) for n in sim.chem.species],
            [count[n] - sites[n] for n in sim.chem.exchange], [count[n] for n in sim.chem.minerals])


class Box:
    """The voxels i = first .. last - 1 of the block, the tanks in them and the wall at x = wall.

    Acid of the ore is counted from its species, exchanger and minerals.
    """

    def __init__(self, folder, sim, row, first, last, wall):
        self.sim, self.row, self.wall = sim, row, wall
        self.cut = (slice(None), slice(None), slice(first, last))
        self.upward = 1 if wall == last else -1        # which way is out
        self.per = protons(folder, sim)
        self.start, self.made, self.passed, self.charge = self.acid(), 0.0, 0.0, 0.0

    def acid(self):
        """mol in pore water, on clay beyond the bare sites, in minerals, in tank and plate."""
        sim, s = self.sim, self.sim.state
        cut = tuple(self.cut)
        cec = sim.case.ore.cec * sim.electrodes.ore
        water = sum(p * s.c[n][sim.grid.inner] for n, p in enumerate(self.per[0]))
        ore = water * sim.case.ore.water_content + cec
        for amounts, per in ((s.exchanged, self.per[1]), (s.solid, self.per[2])):
            ore = ore + sum(
                (p * a[sim.grid.inner] for a, p in zip(amounts, per, strict=True)), 0.0 * ore
            )
        strips = sim.electrodes.strip_row == self.row
        h = sim.chem.index("H+")
        return (ore[cut].sum() * sim.grid.voxel_volume + s.catholyte_totals[h, strips].sum()
                + s.plate_totals[h, strips].sum())

    def watch(self, dt):
        """Add up a step: current at the row's faces, acid through the wall, in the feed."""
        sim, el = self.sim, self.sim.electrodes
        h = sim.chem.index("H+")
        current = sim.potential.into_ore[el.strip_row[el.faces.strip] == self.row].sum()
        self.made += current / FARADAY * dt
        self.charge += abs(current) / FARADAY * dt
        self.passed += self.upward * through_wall(sim, self.wall, sim.transport.flux[2][h]) * dt
        if self.row == 0:                              # 2 mol/m3 of H+, 2e-8 m3/s, at the anodes
            self.passed -= 2.0 * 2e-8 * dt

    def error(self, drained=0.0):
        """Missing share of Faraday's acid, over the charge passed."""
        return abs(self.acid() - self.start + self.passed + drained - self.made) / self.charge


def boxes(folder, sim):
    """Two halves of the block: around the anodes, around the cathode (and the idle electrode)."""
    return (Box(folder, sim, 0, 0, 3, 3), Box(folder, sim, 1, 3, 6, 3))


def faraday(folder, sim, end):
    """Errors of the two boxes after a run to `end`; everything drained comes from the cathode."""
    anode, cathode = boxes(folder, sim)
    drained = sim.state.leachate[sim.chem.index("H+")]

    def watch(dt):
        anode.watch(dt)
        cathode.watch(dt)

    advance(sim, end, watch)
    return anode.error(), cathode.error(sim.state.leachate[sim.chem.index("H+")] - drained)


# --- Faraday's law ----------------------------------------------------------------------------

@CHEMISTRIES
def test_acid_and_base_found_around_the_rows_are_the_charge_passed(folder, chemistry):
    """Found (pore water, clay, minerals, tank, plate) + let out = integral of I/F; base likewise.

    1e-10 of the charge. Transport moves totals by what crosses faces, to rounding; the species
    are re-solved from them, and the engine leaves 1e-12 of the acid that an ore voxel holds.
    In `ore` that is 100 mol/m3 on clay against 3 mol/m3 of charge passed per voxel: 4e-11.
    """
    sim = simulation(folder, *chemistry)
    anode, cathode = faraday(folder, sim, 3 * 3600.0)
    assert anode < 1e-10 and cathode < 1e-10
    assert sim.balances.faraday_error() < 1e-10


def half_the_acid(sim):
    el = sim.electrodes
    anode = el.roles(sim.drive) > 0
    np.add.at(sim.transport.ore[sim.chem.index("H+")].reshape(-1), el.faces.voxel[anode],
              -0.5 * sim.potential.into_ore[anode] / FARADAY)


def no_base(sim):
    sim.transport.tank[sim.chem.index("H+")] -= np.minimum(sim.transport.acid, 0.0)


def acid_at_the_cathode(sim):
    sim.transport.tank[sim.chem.index("H+")] -= 2.0 * np.minimum(sim.transport.acid, 0.0)


def sabotage(sim, spoil, monkeypatch):
    """Have `spoil` falsify the rates of every step."""
    prepare = sim.transport.prepare

    def spoilt(*arguments):
        longest = prepare(*arguments)
        spoil(sim)
        return longest

    monkeypatch.setattr(sim.transport, "prepare", spoilt)


@pytest.mark.parametrize("spoil, wrong, share", [(half_the_acid, 0, 0.5), (no_base, 1, 1.0),
                                                 (acid_at_the_cathode, 1, 2.0)])
def test_faraday_s_law_can_fail(folder, monkeypatch, spoil, wrong, share):
    """Acid left out at the anode, base at the cathode, H+ in place of OH-: just that is missed.

    The other row's box stays right to 1e-10, so the boxes are told apart. The program's own
    audit sees it too.
    """
    sim = simulation(folder)
    sabotage(sim, spoil, monkeypatch)
    errors = faraday(folder, sim, 1800.0)
    assert errors[wrong] == pytest.approx(share, rel=1e-9)
    assert errors[1 - wrong] < 1e-10
    assert sim.balances.faraday_error() == pytest.approx(share, rel=1e-9)
    assert sim.balances.mass_errors()[sim.chem.index("H+")] > 1e-3


def test_acid_counted_twice_is_noticed(folder, monkeypatch):
    """Only the books falsified, at the anodes: the boxes are right, the program's audit objects.

    It compares with twice the acid made, so the missing half is 0.5 of it.
    """
    sim = simulation(folder)

    def twice(sim):
        sim.transport.acid[:2] *= 2.0

    sabotage(sim, twice, monkeypatch)
    assert max(faraday(folder, sim, 1800.0)) < 1e-10
    assert sim.balances.faraday_error() == pytest.approx(0.5, rel=1e-9)
    assert sim.balances.mass_errors()[sim.chem.index("H+")] > 1e-3


@CHEMISTRIES
def test_acid_that_enters_a_watched_box_came_through_its_walls(folder, chemistry):
    """The sum of what voxels gain through faces is what the box's own walls let through.

    A box in the middle of the block, walls of all three axes and some of the block's own, which
    are closed: 1e-13 of the 30 or so fluxes of acid that are added up.
    """
    sim = simulation(folder, *chemistry)
    z, y, x = slice(0, 1), slice(1, 3), slice(2, 5)
    number = sim.transport.watch(sim.domain.subregion([(0, 1), (1, 3), (2, 5)]))
    for _ in range(3):
        sim.step()
    fz, fy, fx = (faces(flux[sim.chem.index("H+")], axis)
                  for axis, flux in enumerate(sim.transport.flux))
    through = ((fz[0, y, x] - fz[1, y, x]).sum() + (fy[z, 1, x] - fy[z, 3, x]).sum()
               + (fx[z, y, 2] - fx[z, y, 5]).sum())
    assert abs(through) > 0
    size = sum(np.abs(f).max() for f in (fz, fy, fx))
    assert abs(sim.transport.entered[number] - through) < 1e-13 * 30 * size


# --- mass, charge and currents ----------------------------------------------------------------

def stock(sim):
    """mol of every component in the ore, the tanks, on plates and in what was collected."""
    s, total = sim.state, 0.0
    for k in range(sim.grid.shape[0]):
        total = total + s.totals[:, GHOST + k, GHOST:-GHOST, GHOST:-GHOST].sum((1, 2))
    return (
        total * sim.grid.voxel_volume
        + s.catholyte_totals.sum(1)
        + s.plate_totals.sum(1)
        + s.leachate
        + s.drained
    )


@CHEMISTRIES
def test_every_step_keeps_mass_charge_and_current(folder, chemistry):
    """Over 3 h, at every step, for every component and voxel:

    - mass: what is there now = at the start + feed (2, 2, 2 mol/m3 of Na, H, SO4 at 2e-8 m3/s)
      + acid (I/F, both rows: nothing in all); 1e-12 of what is there, only additions.
    - charge of a voxel's totals, sum z T - CEC, and of its pore water, sum z c: below 1e-8 of
      the ionic charge. The solver leaves 1e-10 of the current in each step, 1e-12 of the ions.
    - the current out of the anodes = into the cathode = carried by the species through the
      section between them: 1e-9, ten times the solver's tolerance (norms, not maxima).
    """
    sim = simulation(folder, *chemistry)
    s, chem, inner = sim.state, sim.chem, sim.grid.inner
    start, scale = stock(sim), stock(sim)
    scale[chem.index("H+")] = np.abs(s.totals[chem.index("H+")]).sum() * sim.grid.voxel_volume
    feed = np.zeros(len(chem.components))
    feed[[chem.index(name) for name in ("Na+", "H+", "SO4-2")]] = 2.0
    cec = sim.case.ore.cec * sim.electrodes.ore
    worst, worst_mass = 0.0, 0.0

    def watch(dt):
        nonlocal worst, worst_mass
        passed = np.abs(s.electrode_acid).sum()
        error = np.abs(stock(sim) - start - feed * 2e-8 * s.time)
        relative = error / (scale + feed * 2e-8 * s.time + passed * (feed == 2.0))
        worst_mass = max(worst_mass, relative.max())
        ions = np.tensordot(np.abs(chem.z), s.c[inner], 1) * sim.case.ore.water_content
        rho = np.tensordot(chem.charge, s.totals[inner], 1) - cec
        pore = np.tensordot(chem.z, s.c[inner], 1) * sim.case.ore.water_content
        ore = sim.electrodes.ore
        worst = max(worst, np.abs(rho[ore] / ions[ore]).max())
        assert np.abs(pore[ore] / ions[ore]).max() < 1e-8
        currents = sim.boundary_values.row_currents()
        assert currents[0] > 0.5 and currents[2] == 0.0
        assert abs(currents.sum()) < 1e-9 * currents[0]
        through = FARADAY * chem.charge @ through_wall(sim, 3, sim.transport.flux[2])
        assert through == pytest.approx(currents[0], rel=1e-9)

    advance(sim, 3 * 3600.0, watch)
    assert worst_mass < 1e-12 and worst < 1e-8
    assert sim.balances.mass_errors().max() < 1e-12
    assert sim.balances.charge_max == pytest.approx(worst, rel=1e-6, abs=1e-15)
    assert sim.balances.water_max < 1e-9
    assert (s.c[inner] >= 0).all() and (s.totals[inner][1:] >= 0).all()


def test_charge_that_does_not_belong_is_noticed_and_driven_out(folder):
    """1e-3 mol/m3 of Na+ out of nothing in one voxel: the audit tells, the next step removes it.

    Net charge feeds back into the potential as F rho V / dt, so it leaves as current. Only what
    water and dispersion took along meanwhile is left, 0.1 % (they move less than 1 % of a voxel's
    water in a step), and goes the same way. The mass stays: the balance keeps saying so.
    """
    sim = advance(simulation(folder), 1800.0)
    s, place = sim.state, (GHOST + 1, GHOST + 1, GHOST + 2)
    na = sim.chem.index("Na+")
    s.totals[(na, *place)] += 1e-3
    sim.reactions.advance(s)
    sim.balances.check_charge()
    assert s.charge[place] == pytest.approx(1e-3, rel=1e-6)
    ionic = np.abs(sim.chem.z) @ s.c[(slice(None), *place)] * 0.42
    assert sim.balances.charge_max == pytest.approx(1e-3 / ionic, rel=1e-6)
    for left in (1e-2, 1e-4, 1e-6):
        sim.step()
        assert np.abs(s.charge).max() < left * 1e-3
    added = 1e-3 * sim.grid.voxel_volume
    assert sim.balances.mass_errors()[na] == pytest.approx(added / sim.balances.scale[na], rel=1e-3)
