"""Balances of a run: mass of every component, charge of every voxel, Faraday's law, water.

None of them is used by the model; each can fail. What a run cannot audit is None.
"""

from collections.abc import Iterable
from itertools import islice

import numpy as np

from ekm3d.backends.read_only_memo import ReadOnlyMemo, read_only
from ekm3d.boundaries.electrodes import Electrodes
from ekm3d.diagnostics.budget import Budget
from ekm3d.diagnostics.inventory import by_total
from ekm3d.diagnostics.run_view import BalanceView
from ekm3d.diagnostics.worst_voxel import AuditError, worst_voxel
from ekm3d.grid.grid import GHOST, Array
from ekm3d.physics.catholyte import sum_over_strips
from ekm3d.state import component, has_water, minerals, on_clay, stores

NEVER_THERE = 1e-9     # scale of a component that was never there, over the largest scale
NEUTRAL = 1e-6         # least scale of acidity, over the largest: pH 7 beside 0.1 mol/l of salt
Rows = tuple[int, ...]                  # indices of electrode rows
Limits = list[tuple[int, int]]          # (first, last + 1) of the voxels along z, y, x


class FaradayBox:
    """Box of voxels around one row or rows close by: acid in it and through its walls = I t / F.

    Acid is counted from the species, the exchanger and the solids, not from the transported
    total; the flux through the walls is that of the faces of all its voxels. Sides of the block
    and electrodes of other rows that the box touches are walls, too. Amounts in mol.
    """

    def __init__(self, sim: BalanceView, rows: Rows, limits: Limits):
        """rows: indices of the electrode rows, limits: of their voxels, see `boxes_around`."""
        self.sim = sim
        self.strips = np.flatnonzero(np.isin(sim.electrodes.strip_row, rows))
        self.window = sim.domain.subregion(limits)
        self.cut = Ellipsis, *(slice(p.start + GHOST, p.stop + GHOST) for p in self.window.part)
        faces = sim.contacts.faces
        self.walls = read_only(np.flatnonzero(self.window.holds(faces.voxel)
                                              & ~np.isin(faces.strip, self.strips)))
        self.held = ReadOnlyMemo(lambda voxel: read_only(
            np.flatnonzero(self.window.holds(voxel))))
        self.passed = self.made = self.passed_charge = 0.0
        self.number = sim.transport.watch(self.window)
        self.start = self.inside()

    def _sum(self, amounts: Array) -> float:
        """Amount [mol] from concentrations [mol/m3] in the voxels of the box on this rank."""
        return self.sim.domain.sum_within([self.window], [amounts])[0] * self.sim.grid.voxel_volume

    def inside(self) -> float:
        """Acid in the box [mol]: pore water, exchanger, minerals, tanks and plates."""
        sim, s, chem = self.sim, self.sim.state, self.sim.chem
        h, cut = chem.hydrogen, self.cut
        water = s.weighted_sum(chem.nu[:, h], s.c[cut]) * sim.rock.water_content[cut]
        for still in stores(s, "immobile_water"):
            water += still[h][cut]
        on_sites = s.weighted_sum(chem.nu_x[:, h] - chem.z_x, on_clay(s, cut))
        solid = s.weighted_sum(chem.nu_m[:, h], minerals(s, cut))
        fixed = sim.rock.cec[cut]
        ore = self._sum(water + on_sites + solid + fixed.sum(axis=tuple(range(fixed.ndim - 3))))
        return ore + s.catholyte_totals[h, self.strips].sum() + s.plate_totals[h, self.strips].sum()

    def passing(self) -> list[Array]:
        """Return sums on the backend [mol/s]: of the acid through walls and openings of wells."""
        sim, h, parts = self.sim, self.sim.chem.hydrogen, []
        cached = sim.backend.cached
        if self.walls.size:
            parts.append(sim.transport.acid_into_ore[cached(self.walls)].sum())
        for (place, _), moved in zip(sim.flow.wells, sim.transport.openings, strict=True):
            if (held := self.held(place.voxel)).size:
                parts.append(moved[h][cached(held)].sum())
        return parts

    def step(self, dt: float, passing: Iterable[float]) -> None:
        """Add the acid that a step makes, and its flow through walls, wells and drains.

        passing: numbers of `passing`.
        """
        sim = self.sim
        self.made += sim.transport.acid[self.strips].sum() * dt
        self.passed_charge += np.abs(sim.transport.acid[self.strips]).sum() * dt
        self.passed -= sim.transport.entered[self.number] * dt
        for part in passing:
            self.passed -= part * dt

    def drain(self) -> None:
        """Add the acid that left the row's tanks with their water, less gases' and dosed acid."""
        sim, h = self.sim, self.sim.chem.hydrogen
        self.passed += sim.catholytes.left[h, self.strips].sum()
        if sim.chem.gases:
            self.passed -= self._sum(sim.reactions.taken[h][self.cut])
        self.passed -= sim.catholytes.absorbed[h, self.strips].sum()
        self.passed -= sim.catholytes.dosed[h, self.strips].sum()

    def error(self) -> float | None:
        """Imbalance |inside + passed - made| over the charge passed; None before any current."""
        if self.passed_charge == 0.0:
            return None
        return abs(self.inside() - self.start + self.passed - self.made) / self.passed_charge


def boxes_around(electrodes: Electrodes) -> list[tuple[Rows, Limits]]:
    """Return (rows, limits) of boxes around all rows, one voxel wider than their metal.

    limits: (first, last + 1) along z, y, x. A box that holds an ore voxel at a face of another
    row is merged with that row's: the acid made there would be missing from its balance.
    """
    shape = electrodes.grid.shape
    row_of = electrodes.strip_row[electrodes.faces.strip]
    at = np.stack(np.unravel_index(electrodes.faces.voxel, electrodes.grid.padded)) - GHOST
    boxes: list[tuple[Rows, Limits]] = []
    for row in range(len(electrodes.rows)):
        rows: Rows = (row,)
        while True:
            corners = [[f(s) for s in place] for place, r in zip(
                electrodes.places, electrodes.strip_row, strict=True) if place and r in rows
                for f in (lambda s: s.start, lambda s: s.stop - 1)]
            of_rods = np.isin(row_of, rows) & (electrodes.faces.axis < 0)
            limits = [(max(int(w.min()) - 1, 0), min(int(w.max()) + 2, n))
                      for w, n in zip(np.concatenate([np.reshape(corners, (-1, 3)).T,
                                                      at[:, of_rods]], axis=1).astype(int),
                                      shape, strict=True)]
            inside = np.all([(a >= low) & (a < high)
                             for a, (low, high) in zip(at, limits, strict=True)], axis=0)
            more = tuple(sorted({*rows, *row_of[inside].tolist()}))
            if more == rows:
                break
            rows = more
        if (rows, limits) not in boxes:
            boxes.append((rows, limits))
    return boxes


class Balances:
    """Balances of a run, updated around every step.

    charge_max: largest net charge of a voxel so far, over its dissolved ions; water_max: largest
    residual of the flow, None of both where potential or flow are not solved for; budget: what came
    in and went out, by well and side.
    """

    def __init__(self, sim: BalanceView):
        self.sim = sim
        s = sim.state
        self.initial = self.stored()
        self.scale = sim.grid.voxel_volume * np.array([
            sim.domain.sum(np.abs(component(s, sim.chem, k)))
            for k in range(len(sim.chem.components))])
        charged = sim.physics.potential and sim.chem.hydrogen is not None
        self.boxes = [FaradayBox(sim, *box) for box in boxes_around(sim.electrodes) if charged]
        self.charge_max = 0.0 if sim.physics.potential else None
        self.water_max = 0.0 if sim.physics.flow else None
        self.initial_water = self.water()
        self.mass_max = np.zeros(len(sim.chem.components))
        self.budget = Budget(sim)
        self.check_charge()

    def stored(self) -> np.ndarray:
        """Amount (K,) [mol] of every component in ore, tanks and plates, collected or lost."""
        s = self.sim.state
        return (by_total(self.sim) + sum_over_strips(s.catholyte_totals)
                + sum_over_strips(s.plate_totals)
                + s.leachate + s.drained)

    def water(self) -> float | None:
        """Water in the block [m3] where the ore may be unsaturated; None where it is full."""
        if not has_water(self.sim.state):
            return None
        return self.sim.domain.sum(self.sim.state.water_content) * self.sim.grid.voxel_volume

    def water_error(self) -> float | None:
        """|water now - at t = 0 - in + out| over what was there and passed; None in full pores."""
        now, budget = self.water(), self.budget
        if now is None or self.initial_water is None:
            return None
        passed = budget.water_in.sum() - budget.water_out.sum()
        whole = self.initial_water + budget.water_in.sum() + budget.water_out.sum()
        return abs(now - self.initial_water - passed) / whole

    def before(self, dt: float) -> None:
        """Add a step whose rates are known and in which nothing has moved yet."""
        parts = [box.passing() for box in self.boxes]
        known = [part for of_box in parts for part in of_box]
        found = self.budget.before(dt, [np.stack(known)] if known else [])
        numbers = iter(found[0].tolist() if known else ())
        for box, of_box in zip(self.boxes, parts, strict=True):
            box.step(dt, list(islice(numbers, len(of_box))))

    def without_transport(self, dt: float) -> None:
        """Add a step in which water flows and no component moves."""
        self.budget.water(dt)

    def after(self) -> None:
        """Complete the step: drains, charge and water."""
        if self.sim.physics.transport:
            for box in self.boxes:
                box.drain()
            self.budget.after()
        self.check_charge()
        if self.water_max is not None:
            error = self.water_error()
            self.water_max = max(self.water_max, self.sim.flow.residual if error is None else error)

    def check_charge(self) -> None:
        """Update charge_max with the net charge over all phases now.

        AuditError where charge or ions of a voxel are not a number: all totals count in the charge.
        """
        sim = self.sim
        charge = sim.electrolyte.imbalance(sim.state)
        if np.isnan(charge):
            raise AuditError(f"not a number (nan) at t = {sim.state.time:g} s: "
                             + worst_voxel(sim, sim.electrolyte.ratio))
        if self.charge_max is not None:
            self.charge_max = max(self.charge_max, charge)

    def mass_errors(self) -> np.ndarray | None:
        """Largest relative mass errors (K,) so far, |stored - initial - injected - made| / scale.

        scale: what was there at t = 0, and all that came in and went out since, taken as positive;
        for acidity NEUTRAL of the largest at least, as in neutral water it is rounding of these.
        "So far": at the calls of this function, that is in the rows of the series. None without
        transport.
        """
        if not self.sim.physics.transport:
            return None
        s = self.sim.state
        entered = s.injected + s.gas_uptake + s.dosed
        scale = self.scale + self.budget.passed
        if self.sim.chem.hydrogen is not None:
            entered[self.sim.chem.hydrogen] += s.electrode_acid.sum()
            scale[self.sim.chem.hydrogen] += np.abs(s.electrode_acid).sum()
            scale[self.sim.chem.hydrogen] = max(scale[self.sim.chem.hydrogen],
                                                NEUTRAL * scale.max())
        error = np.abs(self.stored() - self.initial - entered)
        never_there = NEVER_THERE * scale.max(initial=1.0)
        self.mass_max = np.maximum(self.mass_max, error / np.where(scale > 0, scale, never_there))
        return self.mass_max

    def columns(self) -> dict[str, float | None]:
        """Return the columns {name[unit]: value} of the series with the errors so far."""
        errors = self.mass_errors()
        return {"mass_balance[1]": None if errors is None else float(errors.max(initial=0.0)),
                "charge_balance[1]": self.charge_max, "faraday_error[1]": self.faraday_error(),
                "water_balance[1]": self.water_max}

    def faraday_error(self) -> float | None:
        """Largest error of the boxes around the rows; None where no row has passed a current."""
        return max((error for box in self.boxes if (error := box.error()) is not None),
                   default=None)
