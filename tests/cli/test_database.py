"""`ekm3d database`: reports on the package, own files and PHREEQC's, and refusals."""

import tomllib
from pathlib import Path

import pytest

from ekm3d.cli.database import reaction
from ekm3d.cli.main import main
from ekm3d.thermodata import load

SMALL = Path(__file__).parents[1] / "data" / "small.dat"
FIELD = Path(__file__).parents[2] / "cases" / "field_block" / "database.toml"


@pytest.fixture
def said(capsys):
    """Output of the command; fails where it does not exit with 0."""
    def run(*words):
        assert main(["database", *map(str, words)]) == 0
        return capsys.readouterr().out
    return run


@pytest.fixture
def refused(capsys):
    def run(*words):
        assert main(["database", *map(str, words)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        return printed.err
    return run


def test_the_overview_counts_every_kind(said):
    tables = load.combined(load.PACKAGE)[0]
    lines = [" ".join(line.split()) for line in said().splitlines()]
    assert f"species {len(tables['species'])}" in lines and "gases 2" in lines
    assert f"minerals {len(tables['mineral'])}" in lines
    assert next(line for line in lines if line.startswith("REE")).split()[1:] == [
        r["name"] for r in tables["component"] if r.get("group") == "REE"]


def test_a_kind_is_listed_whole(said):
    tables = load.combined(load.PACKAGE)[0]
    printed = said("--kind", "mineral")
    assert f"{len(tables['mineral'])} minerals" in printed
    assert all(f"  {r['name']} " in printed for r in tables["mineral"])
    assert "Gypsum = Ca+2 + SO4-2 + 2 H2O" in printed


def test_a_record_is_shown_with_every_number_and_its_source(said):
    """Upper and lower case, labels of components too; every key and value is printed."""
    printed = said("calcite", "la", "PbHEdta-")
    for name, kind in (("Calcite", "mineral"), ("La+3", "component"), ("PbHEdta-", "species")):
        assert f"{name}: {kind}" in printed
        tables = load.combined(load.PACKAGE)[0]
        record = next(r for r in tables[kind] if r["name"] == name)
        for key, value in record.items():
            assert key.replace("_", " ") in printed or key == "name"
            for part in value if isinstance(value, list) else [value]:
                if not isinstance(part, dict):
                    assert (f"{part:.10g}" if isinstance(value, list) else str(part)) in printed
    assert "Pb+2 + Edta-4 + H+ = PbHEdta-" in printed and "kJ/mol" not in printed
    assert "cm3/mol" in printed and "g/mol" in printed


def test_records_that_components_form(said):
    """Only records that need nothing else; water and the sites are always there."""
    printed = said("--components", "La", "so4-2", "H+")
    assert "3 components" in printed and "8 species" in printed and "2 exchange species" in printed
    assert "LaSO4+" in printed and "LaCl+2" not in printed and "NaX" not in printed
    assert "LaSO4+" in said("--components", "La", "SO4-2", "--kind", "species")


def test_toml_can_be_copied_into_a_file_of_its_own(said, tmp_path):
    """Printed TOML equals the record, and extends the package when read back."""
    tables = load.combined(load.PACKAGE)[0]
    printed = said("--toml", "LaX3", "Calcite", "Edta-4")
    again = tomllib.loads(printed)
    for kind in ("exchange", "mineral", "component"):
        assert again[kind] == [r for r in tables[kind] if r["name"] in
                               ("LaX3", "Calcite", "Edta-4")]
    own = tmp_path / "own.toml"
    own.write_text(printed.replace("log_k = 1.2", "log_k = 2.2"))
    shown = said("--file", own, "LaX3")
    assert "2.2 at 25 C" in shown
    assert f"extended by {own}" in said("--file", own)
    assert len(tomllib.loads(said("--toml", "--kind", "species"))["species"]) == \
        len(tables["species"])


def test_complete_files_are_shown_without_the_package(said):
    printed = said("--file", FIELD, "--kind", "component")
    assert "10 components" in printed and "La+3" not in printed
    printed = said("--file", SMALL)
    assert "have no -dw: 1e-9 m2/s assumed" in printed and "La+3 " not in printed.split("ekm3d")[0]


def test_entries_of_a_phreeqc_file_that_are_left_out_are_listed(said, tmp_path):
    path = tmp_path / "more.dat"
    path.write_text(SMALL.read_text() + "PHASES\nSulfur\nS + 2 H+ + 2 e- = HS-\nlog_k 4.9\n")
    line = len(path.read_text().splitlines()) - 1
    printed = said("--file", path)
    assert "not taken over (1):" in printed and f"line {line}: Sulfur: " in printed


@pytest.mark.parametrize("words, message", [
    (["laso4"], "no record 'laso4' in the database; did you mean 'LaSO4+'?"),
    (["zzzz", "Calcit"], "no record 'zzzz' in the database\nno record 'Calcit'"),
    (["Calcite", "--kind", "species"], "no species 'Calcite' in the database"),
    (["--components", "Lanthanum"], "no components 'Lanthanum' in the database; known: H+"),
    (["Calcite", "--components", "La", "H+"], "none of these can form"),
    (["--file", "no.toml"], "cannot read no.toml: No such file")])
def test_unknown_names_are_refused(refused, words, message):
    assert message in refused(*words)


def test_a_wrong_file_is_refused(refused, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[species]]\nname = "LaSO4"\nreaction = { "La+3" = 1, "SO4-2" = 1 }\n'
                   'log_k = 3\ndiffusion = 1e-9\nsource = "own"\n')
    assert "own.toml: species 'LaSO4': the formula LaSO4 has charge 0, but the reaction gives 1" \
        in refused("--file", own)
    own.write_text("[[species\n")
    assert "own.toml:1: column 10: " in refused("--file", own)


def test_reactions_as_text():
    """Formation with the product on the right, dissolution with the solid on the left; what has
    a negative coefficient changes sides."""
    record = {"name": "P", "reaction": {"A": 1, "B": 2, "H+": -3, "H2O": -0.5}}
    assert reaction("species", record) == "A + 2 B = P + 3 H+ + 0.5 H2O"
    assert reaction("mineral", record) == "P + 3 H+ + 0.5 H2O = A + 2 B"
