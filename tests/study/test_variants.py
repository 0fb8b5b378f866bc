"""Named variants of a study: their overrides, their names, and wrong files."""

import pytest
from helpers.case_files import ROOT

from ekm3d.case.case import Case
from ekm3d.errors import InputError
from ekm3d.study.variants import read_variants

TEXT = """
[[variant]]
name = "all"

[[variant]]
name = "no voltage, slow"
set = { "schedule.stage.0.voltage" = "0 V", "well.0.box" = [[0, 1], [2, 3]], "a.b" = { c = 1 } }
"""


def variants(tmp_path, text):
    file = tmp_path / "variants.toml"
    file.write_text(text, encoding="utf-8")
    return read_variants(file)


def test_a_variant_has_its_name_for_people_and_its_keys_for_the_run(tmp_path):
    first, second = variants(tmp_path, TEXT)
    assert first.overrides == [] and first.shown == {"variant": "all"}
    assert second.shown == {"variant": "no voltage, slow"}
    assert second.overrides == ['schedule.stage.0.voltage="0 V"', "well.0.box=[[0, 1], [2, 3]]",
                                'a.b={"c" = 1}']
    assert first.name != second.name and "/" not in second.name


def test_what_all_variants_have_comes_before_their_own(tmp_path):
    first, second = variants(tmp_path, 'set = { "a.b" = 1, "c.d" = "2 m" }\n' + TEXT)
    assert first.overrides == ["a.b=1", 'c.d="2 m"']
    assert second.overrides[:2] == ['a.b={"c" = 1}', 'c.d="2 m"']


@pytest.mark.parametrize("change, said", [
    (("\n[[variant]]", "set = 3\n[[variant]]"), "variants.toml: set: should be a table"),
    (("\n[[variant]]", "sett = {}\n[[variant]]"), "unknown key 'sett'"),
    (('name = "all"', 'name = ""'), "variant 0: name: '' should be text"),
    (('name = "all"', 'name = "no voltage, slow"'), "variant 1: name"),
    (("set = {", "sett = {"), "unknown key 'sett'; did you mean 'set'?"),
    (("[[variant]]", "[[varied]]"), "variants.toml"), (("name = \"all\"", "name ="), "read")])
def test_wrong_files_are_refused_by_place(tmp_path, change, said):
    with pytest.raises(InputError, match=said.replace("?", r"\?").replace("[", r"\[")):
        variants(tmp_path, TEXT.replace(*change))


@pytest.mark.parametrize("file, case", [("mechanisms.toml", "bench_ekm"),
                                        ("ore_kinds.toml", "field_saturated")])
def test_every_shipped_variant_can_be_read(file, case):
    for variant in read_variants(ROOT / "cases" / "validation" / file):
        Case.read(ROOT / "cases" / case, variant.overrides)
