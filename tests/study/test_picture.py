"""Picture of a study: many named variants are bars, one below the other; few are dots."""

import math

import pytest

from ekm3d.study import picture
from ekm3d.study.points import Point, Value
from ekm3d.study.runs import Outcome
from ekm3d.study.validation_page import draw

figure = pytest.importorskip("matplotlib.figure")


def outcomes(folder, count):
    """Finished runs of variants "variant 0" to count - 1 that recovered 0, 0.1, ..."""
    return [Outcome(Point((("variant", Value(f"variant {n}", f"variant {n}")),), 1), folder,
                    {"recovery_REE": n / 10, "purity_REE": None if n == 1 else 0.5})
            for n in range(count)]


def test_many_variants_are_bars_with_their_names(tmp_path):
    """Eleven of them: a bar of 100 n/10 %, none for a value that is undefined."""
    axes = figure.Figure().subplots()
    done = outcomes(tmp_path, 11)
    picture._bars(axes, done, "recovery_REE")
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([10 * n for n in range(11)])
    assert [t.get_text() for t in axes.get_yticklabels()] == [f"variant {n}" for n in range(11)]
    axes = figure.Figure().subplots()
    picture._bars(axes, done, "purity_REE")
    assert [math.isnan(bar.get_width()) for bar in axes.patches[:3]] == [False, True, False]


def test_the_picture_grows_with_the_bars(tmp_path):
    """Three variants stand beside each other; thirty need one and a half times the height."""
    heights = []
    for count in (3, 30):
        file = tmp_path / f"{count}.png"
        assert picture.draw(outcomes(tmp_path, count), ["recovery_REE"], file) == ""
        heights.append(int.from_bytes(file.read_bytes()[20:24], "big"))
    assert heights[1] > 1.5 * heights[0], heights


def test_no_word_of_a_validation_s_picture_is_cut_at_its_edge(tmp_path, monkeypatch):
    """Long labels and the key below lie within the figure; the key was cut beside few points."""
    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    table = tmp_path / "validation.csv"
    table.write_text("experiment,quantity,number,fit,mean,spread,sets,status,error,missed,remark\n"
                     + "".join(f"field,{'a long name ' * 6}{n},2,3,3,,1,predicted,0.5,True,"
                               f"{'with a remark ' * 6}\n" for n in range(3))
                     + "field,of nothing,,,,,0,none,,,\n")
    assert draw(table, tmp_path / "a.png") == ""
    (made,) = drawn
    made.canvas.draw()
    (axes,) = made.axes
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert len(labels) == 3 and all(t.endswith(" ...") and len(t) <= 100 for t in labels)
    for text in (*axes.get_yticklabels(), axes.xaxis.label, *made.texts):
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= made.bbox.width, text.get_text()
    assert any("computed over measured" in text.get_text() for text in made.texts)
