"""Databases that the packages phreeqc and phreeqpython bring, and random systems on them.

A system: some elements of the file, their amounts, pH and pe; sites of the file's exchanger.
IPhreeqc speciates it with the file itself. Totals of components are taken from its species, so that
valences, which it lets react and this program does not, have the same amounts in both.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ekm3d.chemistry.equilibrium import EquilibriumSolver, Sites
from ekm3d.thermodata.build import build
from ekm3d.thermodata.phreeqc_parser import parse

FOLDERS = {"phreeqc": "databases", "phreeqpython": "database"}
NO_ELEMENTS = ("H", "O", "E", "Alkalinity")
SITES = 0.03                    # mol of sites per kg of water


def shipped():
    """Return {name: path} of all files; of the second package those have its name in front."""
    found = {}
    for package, folder in FOLDERS.items():
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            for path in sorted((Path(spec.origin).parent / folder).glob("*.dat")):
                found[path.name if package == "phreeqc" else f"{package}/{path.name}"] = path
    return found


@dataclass
class Comparison:
    """One system by IPhreeqc and by ekm3d: names and mol/kg of dissolved and exchange species."""

    names: list
    theirs: np.ndarray
    ours: np.ndarray
    strength: float              # mol/kg, as IPhreeqc has it
    complete: bool               # the file's species that matter are all in the database here
    elements: list

    def worst(self, least=1e-11):
        """Return (relative difference, name) of the species that differs most."""
        present = self.theirs > least
        off = np.abs(self.ours[present] / self.theirs[present] - 1)
        n = int(np.argmax(off))
        return float(off[n]), np.array(self.names)[present][n]


class Shipped:
    """A file in IPhreeqc and as tables here."""

    def __init__(self, path, tables):
        from phreeqc import Phreeqc

        self.tables, self.program = tables, Phreeqc()
        if self.program.LoadDatabase(str(path)):
            raise RuntimeError(f"IPhreeqc cannot read {path}: {self.program.GetErrorString()}")
        file = parse(path.read_text(encoding="utf8", errors="replace"))
        components = {record["name"] for record in tables["component"]}
        self.of_element = {}
        for _, element, species, _ in file.masters:
            symbol = element.partition("(")[0]
            if symbol not in NO_ELEMENTS and species in components:
                self.of_element.setdefault(symbol, []).append(species)

    def draw(self, rng):
        """Return (elements, text of SOLUTION) of a random system."""
        symbols = sorted(self.of_element)
        count = min(len(symbols), int(rng.integers(3, 8)))
        usual = [symbol for symbol in ("Na", "Cl") if symbol in symbols]
        others = [symbol for symbol in symbols if symbol not in usual]
        chosen = usual + [str(s) for s in rng.choice(others, min(count, len(others)), False)]
        amounts = {symbol: 10 ** rng.uniform(-1.5, 1.2) for symbol in chosen}     # mmol/kg
        for symbol in usual:
            amounts[symbol] = 10 ** rng.uniform(0.5, 2.3)
        lines = [f" pH {rng.uniform(3.5, 9.5):.3f}", f" pe {rng.uniform(2, 11):.3f}",
                 *(f" {symbol} {amount:.6g}" for symbol, amount in amounts.items())]
        return chosen, "\n".join(lines)

    def compare(self, rng):
        """Return the Comparison of a random system; None where IPhreeqc finds no solution."""
        elements, text = self.draw(rng)
        names = ["H+", *dict.fromkeys(n for e in elements for n in self.of_element[e])]
        chem = build(self.tables, components=names, minerals=[])
        wanted = [*chem.species, *chem.exchange]
        exchange = ""
        if chem.exchange:
            exchange = f"EXCHANGE 1\n X {SITES}\n -equilibrate 1\n"
        if self.program.RunString(
                "KNOBS\n -convergence_tolerance 1e-12\n -iterations 500\nDELETE\n -all\n"
                f"SOLUTION 1\n units mmol/kgw\n{text}\n{exchange}SELECTED_OUTPUT 1\n -reset false\n"
                " -high_precision true\n -ionic_strength true\n -molalities "
                + " ".join(wanted) + "\nEND\n"):
            return None
        row = {name: values[-1] for name, values in self.program.GetSelectedOutput().items()}
        theirs = np.array([row[f"m_{name}(mol/kgw)"] for name in wanted])
        S = len(chem.species)
        total = 1e3 * (chem.nu.T @ theirs[:S] + chem.nu_x.T @ theirs[S:])
        cec = 1e3 * chem.z_x @ theirs[S:] if chem.exchange else 0.0
        found = EquilibriumSolver(chem).solve_numpy(total[:, None], np.ones(1), Sites(cec))
        ours = np.concatenate([found.c[:, 0], found.exchanged[:, 0]]) / 1e3
        mine = 0.5 * chem.z**2 @ theirs[:S]
        complete = abs(mine / row["mu"] - 1) < 1e-6 and (
            not chem.exchange or abs(cec / 1e3 / SITES - 1) < 1e-7)
        return Comparison(wanted, theirs, ours, row["mu"], complete, elements)
