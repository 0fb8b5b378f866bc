"""Cases that extend another one: what is merged, where files are found, places in messages."""

import hashlib
import shutil

import pytest
from helpers.case_files import FIELD, ROOT, SMALL, complaints, copy

from ekm3d.case import chemistry
from ekm3d.case.case import Case
from ekm3d.case.case_files import CaseFiles
from ekm3d.case.extends import bases, case_text
from ekm3d.case.problems import CaseError
from ekm3d.case.toml_text import load
from ekm3d.study.runs import digest


@pytest.fixture
def base(tmp_path):
    return copy(tmp_path / "base", SMALL)


def heir(base, text, name="heir"):
    """A case beside the base that extends it."""
    folder = base.parent / name
    folder.mkdir()
    (folder / "case.toml").write_text('extends = "../case"\n' + text, encoding="utf-8")
    return folder


def test_tables_are_merged_and_other_values_replaced(base):
    """One key of [ore] differs; the database is found beside the base; the recorded text of the
    case is complete and reads as the same data."""
    case = Case.read(heir(base, 'title = "heir"\n[ore]\ntortuosity = 0.3\n'))
    whole = Case.read(base, ["ore.tortuosity=0.3", "title=heir"])
    assert case.title == "heir" and case.record()["data"] == whole.record()["data"]
    kept, problems = load(case.text)
    assert kept["ore"]["tortuosity"] == 0.3 and "extends" not in kept and not problems.texts


def test_a_list_replaces_the_list(base):
    text = '[[schedule.stage]]\nname = "only"\nduration = "1 h"\n'
    case = Case.read(heir(base, text))
    assert [stage.name for stage in case.schedule.stages] == ["only"]


def test_messages_name_the_file_that_holds_the_value(base):
    """A wrong value of the base is placed there, one of the heir here, one of -o nowhere."""
    file = base / "case.toml"
    text = file.read_text()
    line = next(n for n, t in enumerate(text.splitlines(), 1) if t.startswith("tortuosity"))
    file.write_text(text.replace("tortuosity = ", "tortuosity = -"))
    folder = heir(base, "[ore]\nporosity = 3\n")
    found = complaints(folder)
    assert any(c.startswith(f"../case/case.toml:{line}: ore.tortuosity: ") for c in found)
    assert any(c.startswith("case.toml:3: ore.porosity: ") for c in found)
    assert any(c.startswith("-o ore.density: ") for c in complaints(folder, "ore.density=-1"))


def test_a_run_to_begin_from_is_named_from_the_case_that_says_so(base):
    """../prewet/out of the base is not that of an heir elsewhere; an heir's own stays its own."""
    file = base / "case.toml"
    file.write_text(file.read_text() + '[start]\nrun = "../prewet/out"\n')
    between = heir(base, "")
    deep = between / "variants" / "one"
    deep.mkdir(parents=True)
    (deep / "case.toml").write_text('extends = "../.."\n')
    for folder in (base, between, deep):
        assert Case.read(folder).start.resolve() == (base.parent / "prewet" / "out").resolve()
    own = '[start]\nrun = "../mine/out"\n'
    (deep / "case.toml").write_text(f'extends = "../.."\n{own}')
    assert Case.read(deep).start.resolve() == (deep.parent / "mine" / "out").resolve()
    file.write_text(file.read_text().replace("../prewet/out", str(base / "out")))
    assert Case.read(heir(base, "", "absolute")).start == base / "out"


@pytest.mark.parametrize("text, said", [
    ('extends = "../nowhere"', "case.toml:1: extends: there is no case in '../nowhere'"),
    ("extends = 3", "case.toml:1: extends: should be the directory of another case"),
    (f'extends = "{"a" * 5000}"', "case.toml:1: extends: there is no case in 'aaa"),
    ('extends = "."', "extends this case in its turn"),
    ('extends = "a\\u0000b"', "should be the directory of another case")])
def test_wrong_extends_end_with_one_message(tmp_path, text, said):
    (tmp_path / "case.toml").write_text(text + "\n", encoding="utf-8")
    (only,) = complaints(tmp_path)
    assert said in only


@pytest.mark.parametrize("folders", ["5", '"../x"', '["../x", 3]'])
def test_folders_of_the_base_that_are_no_list_are_refused(base, folders):
    """A number ended in a traceback; of a text every letter was a directory."""
    folder = heir(base, "")
    text = (base / "case.toml").read_text()
    (base / "case.toml").write_text(f"folders = {folders}\n{text}")
    (only,) = complaints(folder)
    assert only.startswith("../case/case.toml:1: folders: should be a list of directories")


def test_a_circle_is_refused(base):
    folder = heir(base, "")
    (base / "case.toml").write_text('extends = "../heir"\n' + (base / "case.toml").read_text())
    assert "in its turn" in complaints(folder)[0]


def test_extends_is_not_for_the_command_line(base):
    assert complaints(base, "extends=../x") == ("-o extends: is read from case.toml alone; it "
                                                "cannot be given here",)


def test_digests_name_the_files_of_the_base_too(base):
    """As seen from the heir's directory, each once, with the SHA-256 of its bytes."""
    folder = heir(base, "")
    found = Case.read(folder).digests
    assert set(found) == {"case.toml", *(f"../case/{path.name}" for path in base.iterdir())}
    for name, told in found.items():
        assert told == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_files_that_are_read_in_folders_have_digests(base, monkeypatch):
    """The one that is read, not those beside it; one that changes while it is read is told."""
    tables = base.parent / "tables"
    tables.mkdir()
    shutil.copy(FIELD / "database.toml", tables / "own.toml")
    (tables / "letter.txt").write_text("dear")
    given = ("folders=['../tables']", "chemistry.database='../tables/own.toml'")
    digests = Case.read(base, given).digests
    assert digests["../tables/own.toml"] == hashlib.sha256(
        (tables / "own.toml").read_bytes()).hexdigest()
    assert [name for name in digests if name.startswith("..")] == ["../tables/own.toml"]
    load = chemistry.load.load

    def changing(path, *others):
        found = load(path, *others)
        with (tables / "own.toml").open("a") as file:
            file.write("# more\n")
        return found

    monkeypatch.setattr(chemistry.load, "load", changing)
    with pytest.raises(CaseError, match="../tables/own.toml changed while the case was read"):
        Case.read(base, given)


def test_a_base_that_changes_while_it_is_read_is_refused(base, monkeypatch):
    folder, changed = heir(base, ""), CaseFiles.changed

    def edited(files):
        (base / "case.toml").write_text("")
        return changed(files)

    monkeypatch.setattr(CaseFiles, "changed", edited)
    with pytest.raises(CaseError, match=r"\.\./case/case.toml changed while the case was read"):
        Case.read(folder)


def test_a_study_sees_that_the_base_has_changed(base):
    folder = heir(base, "")
    before = digest(folder)
    with (base / "case.toml").open("a") as file:
        file.write("# more\n")
    assert bases(folder) == (base,) and digest(folder) != before


@pytest.mark.parametrize("name", ["bench_leaching", "scaled_ekm", "scaled_leaching"])
def test_the_shipped_heirs_are_read(name):
    """Each has its own stages and the chemistry of the bench column."""
    case = Case.read(ROOT / "cases" / name)
    bench = Case.read(ROOT / "cases" / "bench_ekm")
    assert (case.chemistry.log_k == bench.chemistry.log_k).all()
    assert case.schedule.stages[0].name == "wetting" and len(case_text(case.path).bases) <= 3
