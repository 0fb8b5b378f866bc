"""`ekm3d plot`, `report` and `compare` on the command line."""

import pytest
from helpers.command_line import call

from ekm3d.view import extras

pytest.importorskip("matplotlib", reason="pip install 'ekm3d[viz]'")
pytest.importorskip("jinja2", reason="pip install 'ekm3d[viz]'")


def test_plot_writes_pictures_and_prints_their_paths(capsys, small_run, tmp_path):
    """One field at two times, given in two units; nothing but paths on standard output."""
    code, text, _ = call(capsys, "plot", small_run, "--out", tmp_path / "p", "--flat",
                         "--field", "pH", "--time", "0 h", "--time", "0.25 days")
    assert code == 0
    assert [line.rsplit("/")[-1] for line in text.splitlines()] == [
        "view_pH.png", "slices_pH.png"]
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == [
        "slices_pH.png", "view_pH.png"]


@pytest.mark.parametrize("words, message", [
    (("--time", "7 days"), "snapshots from 0 to 6 h"), (("--time", "soon"), "--time soon: "),
    (("--time", "-1 h"), "--time -1 h"), (("--field", "phii"), "did you mean 'phi'")])
def test_plot_refuses_by_name(capsys, small_run, tmp_path, words, message):
    joined = [f"{words[0]}={words[1]}"]             # "--time -1 h" would be an option to argparse
    code, text, errors = call(capsys, "plot", small_run, "--out", tmp_path / "p", "--flat", *joined)
    assert (code, text) == (2, "") and message in errors and not (tmp_path / "p").exists()


def test_report_writes_a_page(capsys, small_run, tmp_path):
    code, text, errors = call(capsys, "report", small_run / "out", "--out", tmp_path / "r.html")
    assert (code, text.strip(), errors) == (0, str(tmp_path / "r.html"), "")
    assert "How much" in (tmp_path / "r.html").read_text()


def test_report_refuses_what_is_not_there(capsys, small_run, tmp_path):
    for words, message in (((tmp_path,), "holds no fields.vtkhdf"),
                           ((small_run, "--prices", tmp_path / "no.toml"), "does not exist"),
                           ((small_run, "--targets", tmp_path / "no.csv"), "does not exist")):
        code, text, errors = call(capsys, "report", *words, "--out", tmp_path / "r.html")
        assert (code, text) == (2, "") and message in errors
        assert not (tmp_path / "r.html").exists()


def test_compare_prints_differences_and_writes_a_page(capsys, small_run, other_run, tmp_path):
    code, text, _ = call(capsys, "compare", small_run, other_run, "--out", tmp_path / "c.html")
    assert code == 0 and (tmp_path / "c.html").exists()
    lines = text.splitlines()
    assert lines[0] == "what was changed" and "20 V" in lines[2] and "40 V" in lines[2]
    assert "REO recovered" in text and lines[-1] == str(tmp_path / "c.html")


def test_compare_replaces_no_file_without_force(capsys, small_run, other_run, tmp_path):
    """Told before the table; the file is as it was."""
    page = tmp_path / "comparison.html"
    page.write_text("mine")
    words = ("compare", small_run, other_run, "--out", page)
    code, text, errors = call(capsys, *words)
    assert (code, text) == (2, "") and "exists; give --force" in errors
    assert page.read_text() == "mine"
    assert call(capsys, *words, "--force")[0] == 0 and "<html" in page.read_text()


def test_compare_needs_two(capsys, small_run):
    code, _, errors = call(capsys, "compare", small_run)
    assert code == 2 and "at least two runs" in errors


def test_without_the_extra_one_sentence_tells_the_remedy(capsys, small_run, other_run, tmp_path,
                                                        monkeypatch):
    """`plot` and `report` end with it; `compare` has printed its table before."""
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras, "import_module", missing)
    for words in (("plot", small_run), ("report", small_run)):
        code, text, errors = call(capsys, *words, "--out", tmp_path / "x")
        assert (code, text) == (2, "") and 'pip install "ekm3d[viz]"' in errors
        assert len(errors.strip().splitlines()) == 1 and not (tmp_path / "x").exists()
    code, text, errors = call(capsys, "compare", small_run, other_run, "--out", tmp_path / "x")
    assert code == 0 and "REO recovered" in text and 'pip install "ekm3d[viz]"' in errors
