"""PHREEQC as an oracle: turns a `Chemistry` into PHREEQC's database text and solves one voxel.

PHREEQC reads the composition of a species off its formula. So that any database can be
translated, every component becomes an element of its own, `Ea`, `Eb`, ..., which carries two
waters of hydration: enough H and O for every species and mineral to have a formula. (Hydration
drops out: it is the same on both sides of every reaction.) Davies with PHREEQC's own A.
"""

import dataclasses

import numpy as np

DAVIES_A = 0.51002479      # at 25 C and 1 atm, computed by IPhreeqc 3.7.3 from water's properties
HYDRATION = 2
ANCHOR = 1e-6              # mol O2 per kg of water, keeps PHREEQC's redox calculation defined


def comparable(chem):
    """The same chemistry with PHREEQC's constant in Davies' equation."""
    linear = chem.linear + 0.3 * (DAVIES_A - chem.debye_A) * chem.z**2
    return dataclasses.replace(chem, debye_A=DAVIES_A, linear=linear)


def database_text(chem):
    """PHREEQC database of the chemistry (ions Davies, neutral species 0.1 I)."""
    lines = ["SOLUTION_MASTER_SPECIES", "H H+ -1 H 1.008", "H(0) H2 0 H", "H(1) H+ -1 0 1",
             "E e- 1 0 0", "O H2O 0 O 16", "O(0) O2 0 O", "O(-2) H2O 0 0"]
    free = [k for k in range(len(chem.components)) if k != chem.hydrogen]
    lines += [f"{_element(k)} {_species(chem, k)} 0 1 1" for k in free]
    lines += ["SOLUTION_SPECIES", "H+ = H+", "H2O = H2O", "e- = e-"]
    lines += [f"{_species(chem, k)} = {_species(chem, k)}" for k in free]
    lines += ["2 H2O = O2 + 4 H+ + 4 e-", " -log_k -86.08", "2 H+ + 2 e- = H2", " -log_k -3.15"]
    for s in range(len(chem.components), len(chem.species)):
        lines += [_reaction(chem, chem.nu[s], chem.water[s], _species(chem, s)),
                  f" -log_k {chem.log_k[s]}"]
    lines += ["EXCHANGE_MASTER_SPECIES", "X X-", "EXCHANGE_SPECIES", "X- = X-"]
    for e in range(len(chem.exchange)):
        lines += [_reaction(chem, chem.nu_x[e], 0, _exchange(chem, e), f"{chem.z_x[e]:g} X-"),
                  f" -log_k {chem.log_k_x[e]}"]
    lines += ["PHASES"]
    for m in range(len(chem.minerals)):
        solid = _formula(chem, chem.nu_m[m], chem.water_m[m], 0)
        left, right = _reaction(chem, chem.nu_m[m], chem.water_m[m], solid).split(" = ")
        lines += [f"Mineral{m}", f"{right} = {left}", f" -log_k {chem.log_k_m[m]}"]
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

    def solve(self, total, site=0.0):
        """Equilibrium of a neutral voxel: total (K,) and site X in mol and eq per litre of water.

        site includes the variable charge. The row of H+ is not used: PHREEQC finds acidity from
        neutrality. Returns species, exchange species, minerals [mol/l] and pH.
        """
        water = 1.0
        for _ in range(6):            # reactions make and use water: end with 1 kg of it
            row = self._run(total, site, water)
            made = row["mass_H2O"] - 1.0
            if abs(made) < 1e-11:
                break
            water -= made
        chem = self.chem
        c = [row[f"m_{_species(chem, s)}(mol/kgw)"] for s in range(len(chem.species))]
        exchanged = np.zeros(len(chem.exchange))
        if site > 0:
            exchanged[:] = [row[f"m_{_exchange(chem, e)}(mol/kgw)"]
                            for e in range(len(chem.exchange))]
        solid = [row.get(f"Mineral{m}", 0.0) for m in range(len(chem.minerals))]
        return np.array(c), exchanged, np.array(solid), row["pH"]

    def _run(self, total, site, water):
        chem = self.chem
        present = total > 0
        if chem.hydrogen is not None:
            present[chem.hydrogen] = True
        phases = [m for m in range(len(chem.minerals)) if present[chem.nu_m[m] != 0].all()]
        lines = ["KNOBS", " -iterations 2000", " -convergence_tolerance 1e-12", " -step_size 10",
                 " -pe_step_size 3", "SOLUTION 1", f" -water {water:.14g}", " pH 7 charge",
                 " pe 12", "END", "USE solution 1", "REACTION 1", f" O2 {ANCHOR}"]
        given = np.array(total)
        if site > 0:                  # enters loaded with one cation, not to be added again
            carrier = chem.exchange.index("HX") if "HX" in chem.exchange else 0
            given -= chem.nu_x[carrier] * site / chem.z_x[carrier]
        for k, amount in enumerate(given):
            if k != chem.hydrogen and amount != 0:
                lines.append(f" {_neutral(chem, k)} {amount:.15g}")
        lines.append(" 1 mol in 1")
        if phases:
            lines += ["EQUILIBRIUM_PHASES 1"] + [f" Mineral{m} 0 0" for m in phases]
        if site > 0:
            lines += ["EXCHANGE 1", f" {_exchange(chem, carrier)} {site / chem.z_x[carrier]:.15g}"]
        names = [_species(chem, s) for s in range(len(chem.species))]
        if site > 0:
            names += [_exchange(chem, e) for e in range(len(chem.exchange))]
        lines += ["SELECTED_OUTPUT 1", " -reset false", " -high_precision true", " -pH true",
                  " -water true", " -molalities " + " ".join(names)]
        if phases:
            lines.append(" -equilibrium_phases " + " ".join(f"Mineral{m}" for m in phases))
        self.program.run_string("\n".join(lines + ["END"]))
        heads, *rows = self.program.get_selected_output_array()
        return dict(zip(heads, rows[-1]))


def _element(k):
    return "E" + chr(ord("a") + k)


def _charge(z):
    return "" if z == 0 else f"{z:+.0f}" if abs(z) > 1 else "+" if z > 0 else "-"


def _formula(chem, nu, water, z, tail=""):
    """Formula of nu components and some water, charge z."""
    text, hydrogen, oxygen = "", 2 * water, water
    for k, n in enumerate(nu):
        if k == chem.hydrogen:
            hydrogen += n
        elif n:
            text += _element(k) + (f"{n:g}" if n != 1 else "")
            hydrogen += 2 * HYDRATION * n
            oxygen += HYDRATION * n
    text += "".join(f"{name}{n:g}" if n != 1 else name
                    for name, n in (("O", oxygen), ("H", hydrogen)) if n)
    return text + tail + _charge(z)


def _species(chem, s):
    return _formula(chem, chem.nu[s], chem.water[s], chem.z[s])


def _exchange(chem, e):
    sites = chem.z_x[e]
    return _formula(chem, chem.nu_x[e], 0, 0, f"X{sites:g}" if sites != 1 else "X")


def _neutral(chem, k):
    """Component k as a neutral reactant: a cation with OH-, an anion with H+."""
    nu = np.zeros(len(chem.components))
    nu[k] = 1
    z = chem.charge[k]
    water = max(z, 0)
    nu[chem.hydrogen] = -z        # z OH- = z H2O - z H+
    return _formula(chem, nu, water, 0)


def _reaction(chem, nu, water, product, also=""):
    """components + water = product, every coefficient on the side where it is positive."""
    left, right = [], [product]
    for k, n in enumerate(nu):
        name = "H+" if k == chem.hydrogen else _species(chem, k)
        if n:
            (left if n > 0 else right).append(f"{abs(n):g} {name}")
    if water:
        (left if water > 0 else right).append(f"{abs(water):g} H2O")
    return " + ".join(left + ([also] if also else [])) + " = " + " + ".join(right)
