"""PHREEQC as a reference: database text of a ChemicalSystem, and the solution of one voxel.

PHREEQC reads the composition of a species off its formula. So that any database can be
translated, every component becomes an element of its own, `Ea`, `Eb`, ..., which carries two
waters of hydration: enough H and O for every species and mineral to have a formula. (Hydration
drops out: it is the same on both sides of every reaction.) Davies with PHREEQC's own A, or the
extended Debye-Hueckel equation with its own B: size = B a.

PHREEQC's exchangers are Gaines-Thomas. Gapon is written by half reactions per equivalent. With S
the moles on a Vanselow exchanger per equivalent, n_e/n = beta_e/(z_e S): so the constants
K_e z_e S make PHREEQC's fractions beta_e those of a Vanselow exchanger, if S is right.
"""

import dataclasses

import numpy as np

DAVIES_A = 0.51002479      # at 25 C and 1 atm, computed by IPhreeqc 3.7.3 from water's properties
DEBYE_B = 0.3284906339826554   # 1/Angstrom, likewise
HYDRATION = 2
SUPPLY = 10.0              # mol of every gas, more than is taken up
SITES = "XYZ"
ANCHOR = 1e-6              # mol O2 per kg of water, keeps PHREEQC's redox calculation defined


def comparable(chem):
    """Return the system with PHREEQC's constant in Davies' equation."""
    linear = chem.linear + 0.3 * (DAVIES_A - chem.debye_A) * chem.z**2
    return dataclasses.replace(chem, debye_A=DAVIES_A, linear=linear)


def database_text(chem):
    """Return the PHREEQC database of a system (size 1: ions Davies, neutral species 0.1 I)."""
    lines = ["SOLUTION_MASTER_SPECIES", "H H+ -1 H 1.008", "H(0) H2 0 H", "H(1) H+ -1 0 1",
             "E e- 1 0 0", "O H2O 0 O 16", "O(0) O2 0 O", "O(-2) H2O 0 0"]
    free = [k for k in range(len(chem.components)) if k != chem.hydrogen]
    lines += [f"{_element(k)} {_species(chem, k)} 0 1 1" for k in free]
    acid = [] if chem.hydrogen is None else _gamma(chem, chem.hydrogen)
    lines += ["SOLUTION_SPECIES", "H+ = H+", *acid, "H2O = H2O", "e- = e-"]
    for k in free:
        lines += [f"{_species(chem, k)} = {_species(chem, k)}"] + _gamma(chem, k)
    lines += ["2 H2O = O2 + 4 H+ + 4 e-", " -log_k -86.08", "2 H+ + 2 e- = H2", " -log_k -3.15"]
    for s in range(len(chem.components), len(chem.species)):
        lines += [_reaction(chem, chem.nu[s], chem.water[s], _species(chem, s)),
                  f" -log_k {chem.log_k[s]}"] + _gamma(chem, s)
    if chem.exchange:
        lines += ["EXCHANGE_MASTER_SPECIES"] + [f"{x} {x}-" for x in SITES[:len(chem.exchangers)]]
        lines += _half_reactions(chem, np.ones(len(chem.exchange)))
    lines += ["PHASES"]
    for m in range(len(chem.minerals)):
        lines += _phase(chem, f"Mineral{m}", chem.nu_m[m], chem.water_m[m], chem.log_k_m[m])
    for g in range(len(chem.gases)):
        lines += _phase(chem, f"Gas{g}", chem.nu_g[g], chem.water_g[g], chem.log_k_g[g])
    return "\n".join(lines + ["END"]) + "\n"


class Phreeqc:
    """IPhreeqc with the database of one chemistry."""

    def __init__(self, chem, folder):
        from phreeqpy.iphreeqc.phreeqc_dll import IPhreeqc

        self.chem = chem
        path = folder / "phreeqc.dat"
        path.write_text(database_text(chem))
        self.program = IPhreeqc()
        self.program.load_database(str(path))

    def solve(self, total, site=0.0, factor=1.0):
        """Return the equilibrium of a neutral voxel.

        total (K,) and sites X (N,) in mol and eq per litre of water; factor (E,) that multiplies
        the exchange constants. site includes the variable charge. The row of H+ is not used:
        PHREEQC finds acidity from neutrality. Returns species, exchange species, minerals
        [mol/l], pH and gas taken up.
        """
        water, site = 1.0, np.broadcast_to(site, max(1, len(self.chem.exchangers)))
        for _ in range(6):            # reactions make and use water: end with 1 kg of it
            row = self._run(total, site, water, factor)
            made = row["mass_H2O"] - 1.0
            if abs(made) < 1e-11:
                break
            water -= made
        chem = self.chem
        c = [row[f"m_{_species(chem, s)}(mol/kgw)"] for s in range(len(chem.species))]
        exchanged = np.zeros(len(chem.exchange))
        for e in range(len(chem.exchange)):
            if site[chem.site_of[e]] > 0:
                exchanged[e] = row[f"m_{_exchange(chem, e)}(mol/kgw)"] / _per(chem, e)
        solid = [row.get(f"Mineral{m}", 0.0) for m in range(len(chem.minerals))]
        gas = [SUPPLY - row[f"Gas{g}"] for g in range(len(chem.gases))]
        return np.array(c), exchanged, np.array(solid), row["pH"], np.array(gas)

    def neutral(self, k):
        """Return the formula of component k as a neutral reactant."""
        return _neutral(self.chem, k)

    def _run(self, total, site, water, factor):
        self.program.run_string(self.input(total, site, water, factor))
        heads, *rows = self.program.get_selected_output_array()
        return dict(zip(heads, rows[-1], strict=True))

    def input(self, total, site, water=1.0, factor=1.0):
        """Return PHREEQC input of one voxel with `water` kg at the start; see `solve`."""
        chem = self.chem
        present = total > 0
        present[np.any(chem.nu_g.reshape(-1, total.size) != 0, axis=0)] = True
        if chem.hydrogen is not None:
            present[chem.hydrogen] = True
        phases = [m for m in range(len(chem.minerals)) if present[chem.nu_m[m] != 0].all()]
        lines = ["KNOBS", " -iterations 2000", " -convergence_tolerance 1e-12", " -step_size 10",
                 " -pe_step_size 3", "SOLUTION 1", f" -water {water:.14g}", " pH 7 charge",
                 " pe 12", "END", "USE solution 1", "REACTION 1", f" O2 {ANCHOR}"]
        given, loads, site = np.array(total), [], np.atleast_1d(site)
        for i in np.flatnonzero(site):     # enters loaded with one cation, not to be added again
            on = [e for e in range(len(chem.exchange)) if chem.site_of[e] == i]
            carrier = max(on, key=lambda e: (chem.exchange[e] == "HX", total @ chem.nu_x[e]))
            given -= chem.nu_x[carrier] * site[i] / chem.z_x[carrier]
            amount = site[i] / chem.z_x[carrier] * _per(chem, carrier)
            loads.append(f" {_exchange(chem, carrier)} {amount:.15g}")
        for k, amount in enumerate(given):
            if k != chem.hydrogen and amount != 0:
                lines.append(f" {_neutral(chem, k)} {amount:.15g}")
        lines.append(" 1 mol in 1")
        gases = range(len(chem.gases))
        if phases or chem.gases:
            lines += ["EQUILIBRIUM_PHASES 1"] + [f" Mineral{m} 0 0" for m in phases]
            lines += [f" Gas{g} {np.log10(chem.pressure_g[g]):.15g} {SUPPLY}" for g in gases]
        names = [_species(chem, s) for s in range(len(chem.species))]
        if loads:
            lines += ["EXCHANGE 1"] + loads
            lines = _half_reactions(chem, factor * np.ones(len(chem.exchange))) + lines
            names += [_exchange(chem, e) for e in range(len(chem.exchange))]
        lines += ["SELECTED_OUTPUT 1", " -reset false", " -high_precision true", " -pH true",
                  " -water true", " -molalities " + " ".join(names)]
        if phases or chem.gases:
            lines.append(" -equilibrium_phases " + " ".join(
                [f"Mineral{m}" for m in phases] + [f"Gas{g}" for g in gases]))
        return "\n".join(lines + ["END"])


def _element(k):
    return "E" + chr(ord("a") + k)


def _charge(z):
    return "" if z == 0 else f"{z:+.0f}" if abs(z) > 1 else "+" if z > 0 else "-"


def _formula(chem, nu, water, z, tail=""):
    """Return the formula of nu components and some water, charge z."""
    text, hydrogen, oxygen = "", 2 * water, water
    for k, n in enumerate(nu):
        if k == chem.hydrogen:
            hydrogen += n
        elif n:
            text += _element(k) + (f"{n:.15g}" if n != 1 else "")
            hydrogen += 2 * HYDRATION * n
            oxygen += HYDRATION * n
    text += "".join(f"{name}{n:.15g}" if n != 1 else name
                    for name, n in (("O", oxygen), ("H", hydrogen)) if n)
    return text + tail + _charge(z)


def _species(chem, s):
    return _formula(chem, chem.nu[s], chem.water[s], chem.z[s])


def _gamma(chem, s):
    """Return the line of a species' own ion size and linear coefficient, if it has them."""
    if chem.size[s] == 1:
        return []
    return [f" -gamma {chem.size[s] / DEBYE_B:.15g} {chem.linear[s]:.15g}"]


def _per(chem, e):
    """Return the formula units per mole of an exchange species."""
    return chem.z_x[e] if chem.conventions[chem.site_of[e]] == "gapon" else 1.0


def _exchange(chem, e):
    sites, name = chem.z_x[e] / _per(chem, e), SITES[chem.site_of[e]]
    return _formula(chem, chem.nu_x[e] / _per(chem, e), 0, 0,
                    f"{name}{sites:.15g}" if sites != 1 else name)


def _half_reactions(chem, factor):
    """Return the lines of EXCHANGE_SPECIES with the constants times factor (E,)."""
    lines = ["EXCHANGE_SPECIES"] + [f"{x}- = {x}-" for x in SITES[:len(chem.exchangers)]]
    for e in range(len(chem.exchange)):
        per = _per(chem, e)
        site = f"{chem.z_x[e] / per:.15g} {SITES[chem.site_of[e]]}-"
        log_k = chem.log_k_x[e] / per + np.log10(factor[e])
        lines += [_reaction(chem, chem.nu_x[e] / per, 0, _exchange(chem, e), site),
                  f" -log_k {log_k:.15g}"]
    return lines


def _phase(chem, name, nu, water, log_k):
    formula = _formula(chem, nu, water, 0)
    left, right = _reaction(chem, nu, water, formula).split(" = ")
    return [name, f"{right} = {left}", f" -log_k {log_k}"]


def _neutral(chem, k):
    """Return component k as a neutral reactant: a cation with OH-, an anion with H+."""
    nu = np.zeros(len(chem.components))
    nu[k] = 1
    z = chem.charge[k]
    water = max(z, 0)
    nu[chem.hydrogen] = -z        # z OH- = z H2O - z H+
    return _formula(chem, nu, water, 0)


def _reaction(chem, nu, water, product, also=""):
    """Return "components + water = product", coefficients on the side where they are positive."""
    left, right = [], [product]
    for k, n in enumerate(nu):
        name = "H+" if k == chem.hydrogen else _species(chem, k)
        if n:
            (left if n > 0 else right).append(f"{abs(n):.15g} {name}")
    if water:
        (left if water > 0 else right).append(f"{abs(water):.15g} H2O")
    return " + ".join(left + ([also] if also else [])) + " = " + " + ".join(right)
