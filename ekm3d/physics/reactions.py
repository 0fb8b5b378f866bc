"""Equilibrium chemistry of the ore after every transport step, and the fields that follow from it.

Totals are stored; equilibrium turns them into species, exchanger, minerals and uptake of gases.
Net charge of a voxel over all phases, rho = sum_k z_k T_k - CEC, is an audit: acidity is
transported like any component, so nothing here can repair it.

A voxel is not solved while each of its totals is within a share `skip` of those at its last solve
(0: unchanged to the last digit), T':  |T_k - T'_k| <= skip |T'_k| for every k. Its species are
then the equilibrium of T', not of T: that is the whole error, and as T' stays until the voxel is
solved again, skipped changes are summed before they are judged and cannot add up. The totals keep
every digit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ekm3d.backends.base import operator
from ekm3d.backends.fixed_order_sum import WeightedSum, sum_rows
from ekm3d.chemistry.chemical_state import ChemicalState
from ekm3d.chemistry.ion_exchange import Sites
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.chemistry.voxel_solver import ChemistryError, VoxelSolver
from ekm3d.grid.stencil import flat
from ekm3d.physics.initial_guess import RepresentativeVoxels
from ekm3d.physics.ore_voxels import OreVoxels
from ekm3d.physics.rock import Rock
from ekm3d.state import State, has_water


@dataclass(frozen=True)
class HardestVoxel:
    """The voxel that needed the most iterations from its last equilibrium."""

    steps: int                # of Newton's method and, after a cold start, of descent
    restarts: int             # cold starts; 0 where the last equilibrium led to the solution
    place: str                # "(x, y, z) m" of its centre
    time: float               # s


@operator
def needs_solve(g, total, totals_at_last_solve, skip, out):
    """Set out = 1 where a total differs by more than a share `skip` from that at the last solve."""
    cut = g.inner
    now, last = total[cut], totals_at_last_solve[cut]
    unchanged = np.abs(now - last) <= skip * np.abs(last)
    out[cut] = ~unchanged.all(axis=0)                        # NaN counts as changed


@operator
def update_dependents(g, solved, total, cec, theta, tau, strength, z, slowing,
                      totals_at_last_solve, transport_factor, charge):
    """Update the fields that depend on the equilibria.

    totals_at_last_solve = total where solved;  transport_factor = theta tau f(I),
    f = 1 / (1 + slowing sqrt I);  charge = sum_k z_k total_k - cec of all exchangers
    """
    cut = g.inner
    np.copyto(totals_at_last_solve[cut], total[cut], where=solved[cut] > 0)
    transport_factor[cut] = theta[cut] * tau[cut] * (1 / (1 + slowing * np.sqrt(strength[cut])))
    charge[cut] = WeightedSum(z)(total[cut])[0] - sum_rows(cec[cut])


class Reactions:
    """Equilibrium of all ore voxels.

    iterations: the most of a voxel in the last call. Over all calls but the first, which starts
    cold: asked and skipped, counts of voxels; restarted, the number solved from a cold start after
    all; struggled, the HardestVoxel (None before there is one). voxels: the OreVoxels; taken
    (components, padded): from gases in the last call [mol/m3 of rock].
    """

    def __init__(self, voxels: OreVoxels, chem: ChemicalSystem, engine: VoxelSolver,
                 rock: Rock, skip: float | None = 0.0,
                 seeds: RepresentativeVoxels | None = None):
        """engine: equilibrium solver.

        skip: see the module's text; None solves every voxel every time. seeds: representative
        voxels that the first call starts all voxels from; None starts each cold.
        """
        self.voxels, self.chem, self.engine, self.rock = voxels, chem, engine, rock
        self.grid, self.domain, self.backend = voxels.grid, voxels.domain, voxels.backend
        self.seeds = seeds
        self.skip, self.begun = skip, False
        self.iterations = self.asked = self.skipped = self.restarted = 0
        self.struggled: HardestVoxel | None = None
        counts: dict[str, Any] = dict(NK=len(chem.components), NX=max(1, len(chem.exchangers)))
        backend, padded = self.backend, self.grid.padded
        self.needs_solve, self.update_dependents = (
            backend.bind(op, **counts) for op in (needs_solve, update_dependents))
        exchangers = (counts["NX"], *padded)
        self.reference_pH = backend.zeros(exchangers)
        self.reference_pH[...] = backend.from_numpy(np.broadcast_to(
            np.reshape(rock.reference_pH, (-1, 1, 1, 1)), exchangers).copy())
        self.solved, self.strength = backend.zeros(padded, np.uint8), backend.zeros(padded)
        self.gas = backend.zeros((len(chem.gases), *padded))
        self.taken = backend.zeros((counts["NK"] if chem.gases else 0, *padded))

    def advance(self, s: State, elapsed: float | None = 0.0) -> None:
        """Bring species, exchanger and minerals into equilibrium with the totals at time t.

        elapsed [s]: since the last call, over which the unknowns' changes are extrapolated.
        Raises ChemistryError with the place of a voxel that has no equilibrium.
        """
        rock = self.rock
        where = self._chosen(s)
        self.gas[...] = 0.0
        elapsed = elapsed if self.begun else self._start_from_seeds(s)
        effort = self._solve(self._cells(s), where, elapsed)
        if self.chem.gases:
            self.taken = self.backend.weighted_sum(self.chem.nu_g.T, self.gas)
            s.totals[...] += self.taken
            s.gas_uptake[...] += self.domain.sums(self.taken) * self.grid.voxel_volume
        self.update_dependents(
            self.grid, self.solved, s.totals, self._by_exchanger(rock.cec), rock.water_content,
            rock.tortuosity, self.strength, np.asarray(self.chem.charge, float),
            self.chem.mobility_coefficient, s.totals_at_last_solve, s.transport_factor, s.charge)
        self._record_effort(s, effort, where)
        self.begun = True

    def _chosen(self, s):
        """Flat padded indices of the voxels to be solved."""
        if self.begun and self.skip is not None:
            self.needs_solve(self.grid, s.totals, s.totals_at_last_solve, self.skip, self.solved)
            if has_water(s):
                self._choose_wetted(s)
            return np.flatnonzero(self.solved)
        flat(self.solved)[self.voxels.all] = 0 if self.skip is None else 1
        return self.voxels.all

    def _choose_wetted(self, s):
        """Choose voxels whose water content has changed, too, by the rule for totals."""
        water, last, cut = self.rock.water_content, s.water_at_last_solve, self.grid.inner
        changed = np.abs(water[cut] - last[cut]) > self.skip * np.abs(last[cut])
        self.solved[cut] |= changed.astype(self.solved.dtype)
        np.copyto(last[cut], water[cut], where=self.solved[cut] > 0)

    def _start_from_seeds(self, s):
        """Set every warm start to that of its seed, 0 s ago; None if there are no seeds."""
        seeds = self.seeds
        if seeds is None or not len(seeds.places):
            return None
        sites = Sites(seeds.gather(self._by_exchanger(self.rock.cec)),
                      seeds.gather(self._by_exchanger(self.rock.cec_slope)),
                      seeds.gather(self.reference_pH))
        try:
            found = self.engine.solve_numpy(seeds.gather(s.totals),
                                      seeds.gather(self.rock.water_content), sites)
        except ChemistryError:
            return None                     # that voxel raises again below, with its place
        seeds.spread(found.warm_start, s.warm_start)
        minerals = s.warm_start[len(s.warm_start_rate):]    # they are amounts: none in electrodes
        in_ore = self.voxels.take(minerals)
        minerals[...] = 0.0
        self.voxels.put(minerals, in_ore)
        return 0.0

    def _by_exchanger(self, array):
        """(N, padded) of a rock array."""
        return array.reshape(-1, *self.grid.padded)

    def _cells(self, s):
        """The run's own arrays as the ChemicalState of all padded voxels."""
        return ChemicalState(*map(flat, (
            s.totals, self.rock.water_content, self._by_exchanger(self.rock.cec),
            self._by_exchanger(self.rock.cec_slope), self.reference_pH)), Sites.limits, *map(flat, (
                s.warm_start, s.warm_start_rate, s.c, s.exchanged, self.gas, s.pH, self.strength)))

    def _solve(self, cells, where, elapsed):
        with self.domain.collective_errors(ChemistryError):
            try:
                return self.engine.solve(cells, where, elapsed)
            except ChemistryError as error:
                voxels = self.voxels.numbers(error.voxels)
                raise ChemistryError(error.reason, self.chem.components, voxels, error.total,
                                     self.voxels.places(voxels[:3])) from None

    def _record_effort(self, s, effort, where):
        """Update the statistics of the log."""
        self.iterations = effort.most
        if not self.begun:
            return
        self.asked += self.voxels.index.size
        self.skipped += self.voxels.index.size - where.size
        self.restarted += int(np.count_nonzero(effort.restarts))
        if where.size and (self.struggled is None or self.iterations > self.struggled.steps):
            n = int(effort.steps.argmax())
            worst = self.voxels.numbers(self.backend.to_numpy(where[n:n + 1]))
            self.struggled = HardestVoxel(
                self.iterations, int(effort.restarts[effort.left == n].sum()),
                self.voxels.places(worst), s.time)

    def hardest_place(self) -> str:
        """Return the place of the hardest voxel of all ranks, "?" before there is one; collective.
        """
        found = [voxel for voxel in self.domain.allgather(self.struggled) if voxel is not None]
        return min(found, key=lambda voxel: (-voxel.steps, voxel.time)).place if found else "?"

    def report(self) -> str:
        """Return one or two lines of statistics for the log, of all ranks; collective."""
        allgather = self.domain.allgather
        asked, skipped, restarted = map(sum, zip(*allgather(
            (self.asked, self.skipped, self.restarted)), strict=True))
        share = skipped / asked if asked else 0.0
        text = (f"chemistry: {asked - skipped} equilibria, {share:.1%} of the voxels "
                f"left as they were, {restarted} begun anew without history")
        hardest = [voxel for voxel in allgather(self.struggled) if voxel is not None]
        if not hardest:
            return text
        w = min(hardest, key=lambda voxel: (-voxel.steps, voxel.time))
        return text + (f"\n  the hardest took {w.steps} steps and {w.restarts} new starts, at "
                       f"{w.place} and t = {w.time:g} s")
