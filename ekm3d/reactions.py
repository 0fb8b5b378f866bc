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

from ekm3d.chemistry import ChemistryError, Sites


@dataclass(frozen=True)
class Struggle:
    """The voxel whose equilibrium took the most steps from its last one."""

    steps: int                # of Newton's method and, after a start without history, of descent
    restarts: int             # rounds without history; 0 where the last equilibrium led there
    place: str                # "(x, y, z) m" of its centre
    time: float               # s


class Reactions:
    """Equilibrates all ore voxels; one verb.

    Attributes: iterations, the most steps that a voxel took in the last call; over all calls but
    the first, which has no history: asked and skipped, counts of voxels; restarted, how many were
    solved without history after all; struggled, the worst of them (None before there is one).
    voxels: the OreVoxels; taken (components, n): from gases in the last call [mol/m3 of rock].
    """

    def __init__(self, voxels, chem, engine, rock, skip=0.0):
        """voxels: OreVoxels; rock: padded rock arrays.

        skip: see the module's text; None solves every voxel every time.
        """
        self.voxels, self.chem, self.engine, self.rock = voxels, chem, engine, rock
        self.skip = skip
        self.theta = voxels.take(rock["water_content"])
        self.tau = voxels.take(rock["tortuosity"])
        self.sites = Sites(voxels.take(rock["cec"]), voxels.take(rock["cec_slope"]),
                           rock["reference_pH"])
        self.iterations = self.asked = self.skipped = self.restarted = 0
        self.struggled, self.taken = None, None

    def advance(self, s):
        """Species, exchanger and minerals in equilibrium with the totals at time t."""
        total = self.voxels.take(s.T)
        todo = self._moved(s, total)
        warm = self.voxels.take(s.warm, todo) if s.step else None
        found = self._solve(total[:, todo], todo, warm)
        self.voxels.put(s.c, found.c, todo)
        self.voxels.put(s.exchanged, found.exchanged, todo)
        self.voxels.put(s.solid, found.solid, todo)
        self.voxels.put(s.warm, found.warm, todo)
        self.voxels.put(s.pH, found.pH, todo)
        slowed = self.chem.mobility(found.ionic_strength)
        self.voxels.put(s.mobility, self.theta[todo] * self.tau[todo] * slowed, todo)
        if self.chem.gases:
            self.taken = np.zeros_like(total)
            self.taken[:, todo] = self.chem.nu_g.T @ found.gas
            total += self.taken
            self.voxels.put(s.T, total)
            s.absorbed += self.taken.sum(axis=1) * self.voxels.grid.voxel_volume
        if self.skip is not None:
            self.voxels.put(s.solved, total[:, todo], todo)
        fixed = np.atleast_2d(self.sites.cec).sum(axis=0)
        self.voxels.put(s.charge, self.chem.charge @ total - fixed)
        self._remember(s, found, todo)

    def _moved(self, s, total):
        """Numbers of the voxels to be solved."""
        if self.skip is None or not s.step:
            return np.arange(self.theta.size)
        solved = self.voxels.take(s.solved)
        still = np.abs(total - solved) <= self.skip * np.abs(solved)
        return np.flatnonzero(~np.all(still, axis=0))             # what is not a number counts

    def _solve(self, total, todo, warm):
        sites = Sites(*(np.broadcast_to(value, self.sites.cec.shape)[..., todo] for value in
                        (self.sites.cec, self.sites.slope, self.sites.reference_pH)))
        try:
            return self.engine.solve(total, self.theta[todo], sites, warm)
        except ChemistryError as error:
            voxels = todo[error.voxels]
            places = self.voxels.places(voxels[:3])
            raise ChemistryError(error.reason, self.chem.components, voxels, error.total,
                                 places) from None

    def _remember(self, s, found, todo):
        """What it took, for the log."""
        self.iterations = int(found.iterations.max(initial=0))
        if not s.step:
            return
        self.asked += self.theta.size
        self.skipped += self.theta.size - todo.size
        self.restarted += int(np.count_nonzero(found.restarts))
        if todo.size and (self.struggled is None or self.iterations > self.struggled.steps):
            n = int(found.iterations.argmax())
            self.struggled = Struggle(self.iterations, int(found.restarts[n]),
                                      self.voxels.places([todo[n]]), s.time)

    def report(self):
        """One or two lines on how the chemistry went, for the log."""
        share = self.skipped / self.asked if self.asked else 0.0
        text = (f"chemistry: {self.asked - self.skipped} equilibria, {share:.1%} of the voxels "
                f"left as they were, {self.restarted} begun anew without history")
        if self.struggled is None:
            return text
        w = self.struggled
        return text + (f"\n  the hardest took {w.steps} steps and {w.restarts} new starts, at "
                       f"{w.place} and t = {w.time:g} s")
