"""Chemistry of the ore after every transport step, and what the next step needs of it.

Totals are what the run stores; equilibrium turns them into species, exchanger, minerals and what
the gases take or give. Net charge of a voxel over all phases, rho = sum_k z_k T_k - CEC, is an
audit: acidity is transported like any component, so nothing here can repair it.

A voxel is left as it is while each of its totals is within a share `skip` of that which it was
last solved for (0: unchanged to the last digit), T':  |T_k - T'_k| <= skip |T'_k| for every k.
Its species are then the equilibrium of T', not of T: that is the whole error, and as T' stays
until the voxel is solved again, skipped changes are summed before they are judged and cannot add
up. The totals keep every digit.
"""

from dataclasses import dataclass

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.backends.fixed_order_sum import WeightedSum, added
from ekm3d.chemistry.chemical_state import ChemicalState
from ekm3d.chemistry.equilibrium import ChemistryError, Sites
from ekm3d.grid.stencil import flat


@dataclass(frozen=True)
class HardestVoxel:
    """The voxel whose equilibrium took the most steps from its last one."""

    steps: int                # of Newton's method and, after a start without history, of descent
    restarts: int             # rounds without history; 0 where the last equilibrium led there
    place: str                # "(x, y, z) m" of its centre
    time: float               # s


@operator
def moved(g, total, solved, skip, out):
    """out = 1 where a total is no longer within a share `skip` of that last solved for."""
    cut = g.inner
    still = np.abs(total[cut] - solved[cut]) <= skip * np.abs(solved[cut])
    out[cut] = ~still.all(axis=0)                            # what is not a number counts


@operator
def follow(g, anew, total, cec, theta, tau, strength, z, slowing, solved, mobility, charge):
    """What follows from the equilibria.

    solved = total where anew;  mobility = theta tau f(I),  f = 1 / (1 + slowing sqrt I);
    charge = sum_k z_k total_k - cec of all exchangers
    """
    cut = g.inner
    np.copyto(solved[cut], total[cut], where=anew[cut] > 0)
    mobility[cut] = theta[cut] * tau[cut] * (1 / (1 + slowing * np.sqrt(strength[cut])))
    charge[cut] = WeightedSum(z)(total[cut])[0] - added(cec[cut])


class Reactions:
    """Equilibrates all ore voxels; one verb.

    Attributes: iterations, the most steps that a voxel took in the last call; over all calls but
    the first, which has no history: asked and skipped, counts of voxels; restarted, how many were
    solved without history after all; struggled, the worst of them (None before there is one).
    voxels: the OreVoxels; taken (components, padded): from gases in the last call [mol/m3 of rock].
    """

    def __init__(self, voxels, chem, engine, rock, skip=0.0, seeds=None):
        """voxels: OreVoxels; rock: padded rock arrays.

        skip: see the module's text; None solves every voxel every time. seeds: Seeds that the
        first call starts all voxels from; None has each begin without history.
        """
        self.voxels, self.chem, self.engine, self.rock = voxels, chem, engine, rock
        self.seeds = seeds
        self.skip, self.begun = skip, False
        self.backend = there = voxels.backend
        self.iterations = self.asked = self.skipped = self.restarted = 0
        self.struggled = None
        counts = dict(NK=len(chem.components), NX=max(1, len(chem.exchangers)))
        self.moved, self.follow = (there.bind(op, **counts) for op in (moved, follow))
        padded, many = voxels.grid.padded, (counts["NX"], *voxels.grid.padded)
        self.reference_pH = there.zeros(many)
        self.reference_pH[...] = there.from_numpy(np.broadcast_to(
            np.reshape(rock["reference_pH"], (-1, 1, 1, 1)), many).copy())
        self.anew, self.strength = there.zeros(padded, np.uint8), there.zeros(padded)
        self.gas = there.zeros((len(chem.gases), *padded))
        self.taken = there.zeros((counts["NK"] if chem.gases else 0, *padded))

    def advance(self, s, elapsed=0.0):
        """Species, exchanger and minerals in equilibrium with the totals at time t.

        elapsed [s]: since the last call, over which the unknowns' changes are carried on.
        """
        grid, rock = self.voxels.grid, self.rock
        where = self._chosen(s)
        self.gas[...] = 0.0
        elapsed = elapsed if self.begun else self._sow(s)
        effort = self._settle(self._cells(s), where, elapsed)
        if self.chem.gases:
            self.taken = self.backend.weighted_sum(self.chem.nu_g.T, self.gas)
            s.totals += self.taken
            s.gas_uptake += self.voxels.domain.sums(self.taken) * grid.voxel_volume
        self.follow(grid, self.anew, s.totals, self._by_exchanger("cec"), rock["water_content"],
                    rock["tortuosity"], self.strength, np.asarray(self.chem.charge, float),
                    self.chem.mobility_coefficient, s.totals_at_last_solve, s.transport_factor, s.charge)
        self._remember(s, effort, where)
        self.begun = True

    def _chosen(self, s):
        """Flat places of the voxels to be solved."""
        if self.begun and self.skip is not None:
            self.moved(self.voxels.grid, s.totals, s.totals_at_last_solve, self.skip, self.anew)
            return np.flatnonzero(self.anew)
        flat(self.anew)[self.voxels.all] = 0 if self.skip is None else 1
        return self.voxels.all

    def _sow(self, s):
        """Start every voxel from its seed's equilibrium, 0 s ago; None if there are no seeds."""
        places = self.seeds.places if self.seeds else ()
        if not len(places):
            return None

        def at(array):
            return self.seeds.domain.gather(array, places)

        sites = Sites(at(self._by_exchanger("cec")), at(self._by_exchanger("cec_slope")),
                      at(self.reference_pH))
        try:
            found = self.engine.solve_numpy(at(s.totals), at(self.rock["water_content"]), sites)
        except ChemistryError:
            return None                     # that voxel will say so itself, with its place
        self.seeds.spread(found.warm_start, s.warm_start)
        return 0.0

    def _by_exchanger(self, name):
        """(N, padded) of a rock array."""
        return self.rock[name].reshape(-1, *self.voxels.grid.padded)

    def _cells(self, s):
        """The run's own arrays as the engine sees them."""
        return ChemicalState(*map(flat, (
            s.totals, self.rock["water_content"], self._by_exchanger("cec"),
            self._by_exchanger("cec_slope"), self.reference_pH)), Sites.limits, *map(flat, (
                s.warm_start, s.warm_start_rate, s.c, s.exchanged, s.solid, self.gas, s.pH, self.strength)))

    def _settle(self, cells, where, elapsed):
        with self.voxels.domain.collective_errors(ChemistryError):
            try:
                return self.engine.solve(cells, where, elapsed)
            except ChemistryError as error:
                voxels = self.voxels.numbers(error.voxels)
                raise ChemistryError(error.reason, self.chem.components, voxels, error.total,
                                     self.voxels.places(voxels[:3])) from None

    def _remember(self, s, effort, where):
        """What it took, for the log."""
        self.iterations = int(effort.steps.max()) if where.size else 0
        if not self.begun:
            return
        self.asked += self.voxels.index.size
        self.skipped += self.voxels.index.size - where.size
        self.restarted += int(np.count_nonzero(effort.restarts))
        if where.size and (self.struggled is None or self.iterations > self.struggled.steps):
            n = int(effort.steps.argmax())
            worst = self.voxels.numbers(self.backend.to_numpy(where[n:n + 1]))
            self.struggled = HardestVoxel(self.iterations, int(effort.restarts[effort.left == n].sum()),
                                      self.voxels.places(worst), s.time)

    def report(self):
        """One or two lines on how the chemistry went, for the log; of all processes."""
        everyone = self.voxels.domain.allgather
        asked, skipped, restarted = map(sum, zip(*everyone(
            (self.asked, self.skipped, self.restarted))))
        share = skipped / asked if asked else 0.0
        text = (f"chemistry: {asked - skipped} equilibria, {share:.1%} of the voxels "
                f"left as they were, {restarted} begun anew without history")
        struggles = [s for s in everyone(self.struggled) if s is not None]
        if not struggles:
            return text
        w = min(struggles, key=lambda s: (-s.steps, s.time))
        return text + (f"\n  the hardest took {w.steps} steps and {w.restarts} new starts, at "
                       f"{w.place} and t = {w.time:g} s")
