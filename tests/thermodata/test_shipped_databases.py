"""The 23 databases that the packages phreeqc and phreeqpython bring: what is read of each, what is
refused, and random systems beside IPhreeqc on the same file."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.shipped_databases import Shipped, shipped

from ekm3d.errors import InputError
from ekm3d.thermodata.build import DatabaseError, build, merge
from ekm3d.thermodata.phreeqc_import import read_phreeqc

pytestmark = [pytest.mark.slow, pytest.mark.oracle]
TABLE = Path(__file__).parents[1] / "data" / "phreeqc" / "shipped.csv"
ROWS = {row["file"]: row for row in csv.DictReader(TABLE.read_text().splitlines())}
KINDS = ("component", "species", "exchange", "mineral", "gas")
UNREAD = "phreeqpython/wateq4f_PWN.dat"    # IPhreeqc stops at its three log_k without a number
COMPUTED = [name for name, row in ROWS.items() if row["model"] in ("wateq", "llnl")
            and name != UNREAD]
REFUSED = [name for name, row in ROWS.items() if row["model"] in ("PITZER", "SIT")]
REASONS = (r"needs electrons|-mole_balance|the block is not read|no log_k|is not defined|must be "
           r"at most|must be positive|has charge|reaction gives|cannot take part|no formula weight|"
           r"cannot be read as a chemical formula|not a master species|is defined by way of itself|"
           r"neither a reaction nor an option|needs \[activity\]|the name is already taken|"
           r"log_k_T gives|log_k without a number|cannot read|not a table")
COUNT = 50


@pytest.fixture(scope="module")
def files():
    found = shipped()
    if set(found) < set(ROWS):
        pytest.skip("the packages phreeqc and phreeqpython are not installed (extra: oracle)")
    return found


def test_every_file_is_in_the_table(files):
    assert set(files) == set(ROWS) and len(files) == 23


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row["model"] in (
    "wateq", "llnl", "PITZER", "SIT")])
def test_what_is_read_of_a_file_and_what_is_not(files, name):
    """Not less is read than when the table was written (phreeqc 1.1.1, phreeqpython 1.6.2), nor is
    more rejected, and that for one of the known reasons."""
    reading, row = read_phreeqc(files[name]), ROWS[name]
    assert reading.tables["activity"]["model"] == row["model"]
    for kind in KINDS:
        assert len(reading.tables.get(kind, ())) >= int(row[kind]), kind
    assert len(reading.skipped) <= int(row["not_taken"])
    strange = [text for _, text in reading.skipped if not re.search(REASONS, text)]
    assert not strange, strange[:5]


@pytest.mark.parametrize("name", REFUSED)
def test_files_with_a_model_that_is_not_computed_are_refused(files, name):
    tables = read_phreeqc(files[name]).tables
    with pytest.raises(DatabaseError, match=f"its {ROWS[name]['model']} block, which this program"):
        build(tables)


def test_fragments_and_other_acidities_are_refused_by_themselves(files):
    with pytest.raises(InputError, match="a fragment of one, to be named in extend"):
        read_phreeqc(files["Concrete_PHR.dat"])
    with pytest.raises(InputError, match="the master species of H is H3O\\+, must be H\\+"):
        read_phreeqc(files["iso.dat"])


def test_a_shipped_fragment_extends_its_database(files, tmp_path):
    """Concrete_PHR.dat over phreeqc.dat: all that both have as one file; records keep 12 digits."""
    base = read_phreeqc(files["phreeqc.dat"])
    more = read_phreeqc(files["Concrete_PHR.dat"], base.tables)
    tables, _ = merge([("", base.tables), ("", more.tables)])
    (tmp_path / "both.dat").write_text("\n".join(
        files[name].read_text(encoding="utf8", errors="replace").replace("\nEND", "\n")
        for name in ("phreeqc.dat", "Concrete_PHR.dat")))
    one = read_phreeqc(tmp_path / "both.dat").tables
    for kind in KINDS:
        ours, theirs = ({r["name"]: r for r in part[kind]} for part in (tables, one))
        assert ours.keys() == theirs.keys()
        for title, record in theirs.items() if kind != "component" else ():
            assert ours[title]["reaction"] == record["reaction"]
            assert ours[title]["log_k"] == pytest.approx(record["log_k"], rel=1e-10, abs=1e-10)
    assert len(more.tables["mineral"]) > 5


@pytest.mark.parametrize("name", COMPUTED)
def test_iphreeqc_speciates_alike(files, name):
    """50 random systems of elements, amounts, pH, pe and exchanger.

    Systems in which a rejected species matters (2e-7 of the sites or 1e-6 of the ionic strength)
    are drawn again. Tolerance 3e-4 relative above 1e-11 mol/kg: IPhreeqc's A is 0.510025 and its
    B differs in the seventh digit, here A = 0.51002, which gives 3e-6 z2; z reaches 8. LLNL's A and
    B are numbers of the file: 1e-8, as both programs solve to 1e-10 or better.
    """
    program = Shipped(files[name], read_phreeqc(files[name]).tables)
    rng, done = np.random.default_rng(20263), 0
    for _ in range(6 * COUNT):
        found = program.compare(rng)
        if found is None or not found.complete:
            continue
        off, species = found.worst()
        assert off < (1e-8 if ROWS[name]["model"] == "llnl" else 3e-4), (species, found.elements)
        done += 1
        if done == COUNT:
            return
    pytest.fail(f"only {done} systems could be compared")
