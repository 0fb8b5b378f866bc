"""Parser of PHREEQC databases: blocks, reactions and their options, as written in the file.

Read are SOLUTION_MASTER_SPECIES, SOLUTION_SPECIES, PHASES, EXCHANGE_MASTER_SPECIES,
EXCHANGE_SPECIES, NAMED_EXPRESSIONS and LLNL_AQUEOUS_MODEL_PARAMETERS. A line may end in a comment
(#), hold several logical lines (;) and continue in the next one (\\). Energies come as kJ/mol,
molar volumes as cm3/mol, diffusion in m2/s. Options that matter only at other pressures or for
other properties are ignored: volumes of ions, viscosity, critical points, the double layer.
Everything else that is not understood is reported with its line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ekm3d.quoting import legible, quoted
from ekm3d.thermodata.formulas import canonical

BLOCKS = {"SOLUTION_MASTER_SPECIES": "master", "SOLUTION_SPECIES": "species", "PHASES": "phase",
          "EXCHANGE_MASTER_SPECIES": "site", "EXCHANGE_SPECIES": "exchange",
          "NAMED_EXPRESSIONS": "named", "LLNL_AQUEOUS_MODEL_PARAMETERS": "llnl"}
OTHER_BLOCKS = set("""
    SURFACE_MASTER_SPECIES SURFACE_SPECIES RATES PITZER SIT ISOTOPES
    ISOTOPE_RATIOS ISOTOPE_ALPHAS CALCULATE_VALUES MEAN_GAMMAS GAS_BINARY_PARAMETERS KNOBS PRINT
    RATE_PARAMETERS_PK RATE_PARAMETERS_SVD RATE_PARAMETERS_HERMANSKA SOLUTION EXCHANGE SURFACE
    EQUILIBRIUM_PHASES KINETICS TRANSPORT SELECTED_OUTPUT USER_PUNCH USER_PRINT TITLE""".split())
MODELS = ("PITZER", "SIT")     # blocks that give all activity coefficients
LLNL = {"temperatures": "temperatures", "temperature": "temperatures", "temp": "temperatures",
        "temps": "temperatures", "adh": "dh_a", "debye_huckel_a": "dh_a", "dh_a": "dh_a",
        "bdh": "dh_b", "debye_huckel_b": "dh_b", "dh_b": "dh_b", "bdot": "bdot", "b_dot": "bdot",
        "c_co2": "co2", "co2_coefs": "co2"}
ENERGY = {"kj": 1.0, "kcal": 4.184, "j": 1e-3, "cal": 4.184e-3}       # kJ
VOLUME = {"cm3": 1.0, "dm3": 1e3, "m3": 1e6}                          # cm3
IGNORED = ("vm", "viscosity", "erm_ddl", "t_c", "p_c", "omega", "check", "millero")

# A sign after a name is its charge where a blank, a sign or the end follows; "(OH)2+14H+" has none.
TERM = re.compile(r"""\s*(?P<sign>[+-])?\s*(?P<number>\d+\.?\d*|\.\d+)?\s*
                      (?P<name>(?:\[[^\]]*\]|[^\s+=\[\d.-])(?:\[[^\]]*\]|[^\s+=\[-])*
                      (?:(?:[+-]\d+(?:\.\d+)?|\++|-+)(?=[\s+-]|$))?)\s*""", re.VERBOSE)


@dataclass
class Entry:
    """One reaction of the file, or a named expression without one."""

    kind: str                    # "species", "phase", "exchange" or "named"
    line: int
    name: str = ""               # of the phase or expression; else the reaction as written
    left: tuple = ()             # (coefficient, species) each
    right: tuple = ()
    log_k: float | None = None
    delta_h: float | None = None        # kJ/mol
    analytic: tuple = ()
    gamma: tuple = ()                   # angstrom, kg/mol (not of "llnl")
    law: str = ""                       # "davies", "llnl" or "co2" where the file names it
    diffusion: float | None = None
    volume: float | None = None         # cm3/mol, of a phase
    added: list = field(default_factory=list)       # (named expression, coefficient)
    unused: list = field(default_factory=list)      # options that the model has no use for
    wrong: str = ""                                 # why it cannot be taken over


@dataclass
class PhreeqcFile:
    """Contents of the blocks, in the order of the file."""

    masters: list = field(default_factory=list)     # (line, element, species, gfw words)
    sites: list = field(default_factory=list)       # (line, exchanger, species)
    entries: list = field(default_factory=list)
    llnl: dict[str, list[float]] = field(default_factory=dict)      # numbers by table
    blocks: list = field(default_factory=list)      # names of those that are not read
    skipped: list = field(default_factory=list)     # (line, text): what was not read


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of every logical line: comments cut, ; split, \\ joined."""
    start, continued = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].rstrip()
        start = start or number
        if line.endswith("\\"):
            continued += line[:-1] + " "
            continue
        for part in (continued + line).split(";"):
            if part.strip():
                yield start, part.strip()
        start, continued = 0, ""


def parse(text: str) -> PhreeqcFile:
    """Parse the text of a database."""
    file, block, entry, heading = PhreeqcFile(), None, None, ""
    for number, line in logical_lines(text):
        words = line.split()
        keyword = words[0].upper()
        if keyword in BLOCKS or keyword in OTHER_BLOCKS or keyword == "END":
            block, entry, heading = BLOCKS.get(keyword), None, ""
            if keyword in OTHER_BLOCKS:
                file.blocks.append(keyword)
                file.skipped.append((number, f"{keyword}: the block is not read"))
        elif block in ("master", "site"):
            _master(file, block, number, words)
        elif block == "llnl":
            heading = _parameters(file, heading, number, words)
        elif block:
            option = _option(words[0], entry is not None)
            if option and entry is not None:
                _set(entry, option, words[1:])
            elif "=" in line:
                entry = _equation(block, number, heading, line)
                file.entries.append(entry)
                heading = ""
            elif block == "named":
                entry = Entry("named", number, words[0])
                file.entries.append(entry)
            elif block == "phase":
                heading, entry = words[0], None
            elif not option:
                file.skipped.append((number, f"{legible(line, 120)}: neither a reaction nor an "
                                             "option"))
    return file


def _master(file, block, number, words):
    """Enter a master species of a solution or an exchanger."""
    if block == "site" and len(words) >= 2:
        file.sites.append((number, words[0], canonical(words[1])))
    elif block == "master" and len(words) >= 3:
        file.masters.append((number, words[0], canonical(words[1]), words[3:5]))
    else:
        file.skipped.append((number, f"{legible(' '.join(words), 120)}: not a master species"))


def _parameters(file, table, number, words):
    """Enter numbers of the table that a line names, else of `table`; return the table's name."""
    values = _numbers(words)
    if not values:
        table, values = LLNL.get(words[0].lower().lstrip("-"), ""), _numbers(words[1:])
        if not table:
            file.skipped.append((number, f"{legible(words[0], 60)}: not a table of the activity "
                                 "model"))
    if table:
        file.llnl.setdefault(table, []).extend(values)
    return table


def _option(word, expected):
    """Return the option that a line begins with, without its dash; "" where it is none."""
    bare = word.lower().lstrip("-")
    options = {"log_k": "log_k", "logk": "log_k", "delta_h": "delta_h", "deltah": "delta_h",
               "analytic": "analytic", "analytical": "analytic", "a_e": "analytic",
               "ae": "analytic", "analytic_expression": "analytic",
               "analytical_expression": "analytic", "gamma": "gamma", "dw": "dw", "vm": "vm",
               "no_check": "no_check", "mole_balance": "mole_balance",
               "mass_balance": "mole_balance", "mb": "mole_balance", "add_logk": "add",
               "add_log_k": "add", "add_constant": "add_constant"}
    if bare in options or bare in IGNORED:
        return options.get(bare, bare)
    return bare if word.startswith("-") and expected and not re.match(r"-?[\d.]", word) else ""


def _numbers(words):
    """Return the numbers that a list of words begins with."""
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            break
    return values


def _set(entry, option, words):
    """Set an option of an entry; a value that cannot be used is noted in entry.wrong."""
    values = _numbers(words)
    if option == "vm" and entry.kind == "phase" and values:
        unit = words[1].lower().split("/")[0] if len(words) > 1 else "cm3"
        entry.volume = values[0] * VOLUME.get(unit, 1.0)
    elif option in IGNORED or option == "no_check":
        return
    elif option == "log_k":
        entry.log_k = values[0] if values else None
        if not values:
            entry.wrong = "log_k without a number"
    elif option == "delta_h":
        unit = words[1].lower().split("/")[0] if len(words) > 1 else "kj"
        if unit not in ENERGY:
            entry.wrong = f"delta_h in {quoted(words[1])}, must be kJ, kcal, J or cal"
        elif values:
            entry.delta_h = values[0] * ENERGY[unit]
    elif option == "analytic":
        entry.analytic = tuple(values)
        if not 1 <= len(values) <= 6:
            entry.wrong = f"-analytic has {len(values)} numbers, must be 1 to 6"
    elif option == "gamma" and len(values) >= 2 and entry.kind in ("species", "exchange"):
        entry.gamma, entry.law = tuple(values[:2]), ""
        if entry.kind == "exchange" and not any(entry.gamma):       # so does PHREEQC
            entry.gamma, entry.law = (), "davies"
    elif option == "llnl_gamma" and values:
        entry.gamma, entry.law = tuple(values[:1]), "llnl"
    elif option == "co2_llnl_gamma":
        entry.gamma, entry.law = (), "co2"
    elif option == "davies" and entry.kind == "exchange":
        entry.gamma, entry.law = (), "davies"
    elif option == "dw" and values:
        entry.diffusion = values[0]
    elif option == "add" and words:
        entry.added.append((words[0], (_numbers(words[1:]) or [1.0])[0]))
    elif option == "add_constant" and values:
        entry.added.append(("", values[0]))
    elif option == "mole_balance":
        entry.wrong = "-mole_balance: its mass balance is not that of its reaction"
    else:
        entry.unused.append("-" + option)


def _equation(kind, number, name, line):
    """Return the Entry of "2 A + B = C + D", blanks around signs and coefficients optional."""
    entry = Entry(kind, number, name or line)
    left, _, right = line.partition("=")
    try:
        entry.left, entry.right = _side(left), _side(right)
    except ValueError as error:
        entry.wrong = f"{error}"
    if kind == "phase" and not name:
        entry.wrong = "a phase without a name"
    return entry


def _side(text):
    """Return ((coefficient, species), ...) of one side of a reaction."""
    terms, place = [], 0
    while place < len(text):
        match = TERM.match(text, place)
        if not match or (terms and not match["sign"]):
            raise ValueError(f"cannot read {quoted(text[place:].strip())} as species")
        number = float((match["sign"] or "+") + (match["number"] or "1"))
        if not 0 < abs(number) < 1e6:
            raise ValueError(f"coefficient {number:g} of {match['name']}")
        terms.append((number, canonical(match["name"])))
        place = match.end()
    if not terms:
        raise ValueError("a reaction with an empty side")
    return tuple(terms)
