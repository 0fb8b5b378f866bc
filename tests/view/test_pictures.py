"""Pictures: slices, curves, views with and without pyvista, films."""

from dataclasses import replace

import numpy as np
import pytest

from ekm3d.output.results import ResultsError
from ekm3d.view import animation, block_views, extras, figures, flat_views, plot, probe, svg_slices
from ekm3d.view.curves import panels, stage_marks
from ekm3d.view.planes import planes
from ekm3d.view.quantities import chosen, of_field, standard
from ekm3d.view.run import Run
from ekm3d.view.svg_chart import Area, chart, thinned

pytestmark = pytest.mark.usefixtures("pyplot")


@pytest.fixture(scope="module")
def pyplot():
    """Pictures of Matplotlib, imported by the worker that needs it."""
    return pytest.importorskip("matplotlib.pyplot", reason="pip install 'ekm3d[viz]'")


@pytest.fixture(scope="module")
def draws():
    """Skip where pyvista cannot draw off-screen; the reason is the probe's."""
    if reason := probe.why_not():
        pytest.skip(reason)


@pytest.fixture
def run(small_run):
    return Run.of(small_run)


def read(path):
    """Pixels of a PNG (height, width, 3)."""
    from matplotlib import image
    return image.imread(path)[..., :3]


def test_colours_ignore_metal(run):
    """The potential inside anodes is far above that of the ore: the range ends below it."""
    (phi,) = chosen(run, ["phi"])
    last = len(run.times) - 1
    metal = run.results.field("phi", last)[run.rows_of_metal > 0]
    ore = run.field("phi", last)
    low, high = phi.limits(run, [last])
    assert low <= np.nanmin(ore) and high >= np.nanpercentile(ore, 99)
    assert high < np.nanmax(metal)


def test_planes_go_through_electrodes(run):
    """A section and a plan, both with metal; places are those of voxels."""
    section, plan = planes(run)
    assert section.title.startswith("Section at y") and plan.title.startswith("Plan at z")
    for plane in (section, plan):
        assert (plane.of(run.rows_of_metal) > 0).any() and plane.boxes(run)
    assert section.extent(run) == pytest.approx((0.0, 0.6, 0.0, 0.8))


def test_slices_show_electrodes_in_the_colour_of_their_role(run, tmp_path):
    (ree,) = chosen(run, ["REE"])
    path = figures.save(figures.slices(run, ree, [0, 3]), tmp_path / "slices.png")
    pixels = (255 * read(path)).round()
    for colour in (extras.ANODE, extras.CATHODE):
        wanted = [int(colour[n:n + 2], 16) for n in (1, 3, 5)]
        assert (np.abs(pixels - wanted).max(-1) <= 2).sum() > 200


def test_a_long_title_stays_in_the_picture(run, monkeypatch):
    """Of one snapshot, whose figure is the narrowest."""
    (ree,) = chosen(run, ["REE"])
    monkeypatch.setattr(type(run), "title", "Hillside, in " + 8 * "wet ground ")
    figure = figures.slices(run, ree, [0])
    figure.draw_without_rendering()
    written = figure._suptitle.get_window_extent()
    assert 0.0 < written.x0 and written.x1 < figure.bbox.x1


def test_a_column_of_voxels_has_profiles(run, tmp_path, monkeypatch):
    """One voxel across: values along the axis instead of planes."""
    (ree,) = chosen(run, ["REE"])
    line = replace(ree, values=lambda r, n: np.linspace(1.0, 2.0 + n, 6).reshape(1, 1, 6))
    monkeypatch.setattr(type(run.grid), "shape", property(lambda grid: (1, 1, 6)))
    monkeypatch.setattr(run, "electrodes", ())
    assert planes(run) == ()
    figure = figures.slices(run, line, [0, 1])
    (axes,) = figure.axes
    assert [len(drawn.get_xdata()) for drawn in axes.lines] == [6, 6]
    assert axes.get_xlabel() == "x (m)" and "mg per kg" in axes.get_ylabel()


def test_every_axis_and_bar_has_a_unit(run):
    for panel in panels(run):
        assert panel.key == "pH" or "(" in panel.label or panel.label in (
            "kilogram", "kilowatt-hour", "kilogram of nitrogen", "cubic metre",
            "milligram per litre") or "kWh" in panel.label
    for quantity in (*standard(run), of_field(run, "conductivity")):
        assert quantity.key == "pH" or quantity.unit


def test_a_field_is_found_by_name_or_suggested(run):
    assert [q.key for q in chosen(run, ["ree", "water_flux"])] == ["REE", "water_flux"]
    with pytest.raises(ResultsError, match="did you mean 'conductivity'"):
        chosen(run, ["conductivty"])


def test_a_chart_has_its_first_and_last_hour(run):
    """Also when points are left out; a value of the data lies where the axis has it."""
    panel = next(p for p in panels(run) if p.key == "energy")
    long = replace(panel, hours=np.linspace(0, 10, 5001),
                   lines=(replace(panel.lines[0], values=np.linspace(0, 3, 5001)),))
    few = thinned(long)
    assert len(few.hours) <= 300 and few.hours[0] == 0 and few.hours[-1] == 10
    area = Area(few)
    assert area.x(0.0) < area.x(10.0) and area.y(0.0) > area.y(3.0)
    assert area.y1 >= 3.0 and chart(long).count("<polyline") == 1


def test_marks_of_many_stages_can_be_read(run, monkeypatch):
    """Groups in turn are one mark, and names that would lie over one another stand in a row."""
    names = ["wetting", *(f"in turn group {1 + n % 3}" for n in range(42)), "storm", "flush"]
    hours = [9 * 24.0, *[24.0] * 42, 12.0, 204.0]
    stages = [{"name": name, "duration": 3600.0 * hour}
              for name, hour in zip(names, hours, strict=True)]
    monkeypatch.setattr(run, "facts", {**run.facts, "stages": stages})
    monkeypatch.setattr(run, "series", {"time": np.array([0.0, sum(hours)])})
    assert stage_marks(run) == ((216.0, "in turn"), (1224.0, "storm, flush"), (1236.0, ""))
    monkeypatch.setattr(run, "facts", {**run.facts, "stages": stages[:4]})
    monkeypatch.setattr(run, "series", {"time": np.array([0.0, 288.0])})
    assert [text for _, text in stage_marks(run)] == [
        "in turn group 1, in turn group 2", "", "in turn group 3"]


def test_a_gap_in_a_line_stays_a_gap(run):
    panel = next(p for p in panels(run) if p.key == "energy")
    values = panel.lines[0].values.copy()
    values[2] = np.nan
    assert len(Area(panel).runs(panel.hours, values)) == 2


def test_without_pyvista_the_same_pictures_are_drawn(run, tmp_path, monkeypatch):
    """The probe says no: one sentence with the remedy, and a picture by every name.

    Slices of two quantities; tests/cli/test_plot.py draws all.
    """
    monkeypatch.setattr(plot, "standard", lambda run: chosen(run, ["REE", "pH"]))
    monkeypatch.setattr(probe, "why_not", lambda: "it was taken away; install it")
    monkeypatch.setattr(extras, "DPI", 40)
    said = []
    made = list(plot.pictures(run, tmp_path, plot.Choice((3,)), said.append))
    assert said == ["no views by pyvista, drawn by matplotlib instead: it was taken away; "
                    "install it"]
    names = {path.name for path in made}
    assert {f"view_{name}.png" for name in block_views.views(run)} <= names
    assert {"curves.png", "slices_REE.png", "slices_pH.png"} <= names
    assert all(read(path).std() > 0.01 for path in made)


def test_views_of_both_kinds_have_the_same_names(run):
    assert set(block_views.views(run)) == set(flat_views.views(run))


def test_views_by_pyvista_are_drawn(run, tmp_path, draws):
    """Red, blue and grey electrodes are to be seen in the picture of the current."""
    scenes = block_views.BlockViews(run, (640, 480))
    for name, make in block_views.views(run).items():
        path = block_views.picture(make(scenes, 3), tmp_path / f"{name}.png")
        pixels = read(path)
        assert pixels.shape == (480, 640, 3) and pixels.std() > 0.02, name
    red, _, blue = np.moveaxis(read(tmp_path / "current.png"), -1, 0)
    assert (red > blue + 0.4).sum() > 100 and (blue > red + 0.3).sum() > 100


def test_a_film_has_a_frame_for_every_snapshot(run, tmp_path):
    """Slices, for speed; every frame has the range of the whole run."""
    imageio = pytest.importorskip("imageio.v2")
    pytest.importorskip("imageio_ffmpeg")
    made = list(plot.pictures(run, tmp_path, plot.Choice((3,), ("REE",), True, True),
                              lambda line: None))
    film, loop = made[-2:]
    assert film.suffix == ".mp4" and loop.suffix == ".gif"
    assert len(imageio.mimread(loop)) == len(run.times)
    assert imageio.get_reader(film).count_frames() == len(run.times)


def test_a_film_of_two_snapshots_is_made_in_silence(run, tmp_path, monkeypatch, capfd):
    """Two frames, of over 5 MB: ffmpeg warned on the terminal that it guesses their rate."""
    pytest.importorskip("imageio_ffmpeg")
    rows = np.arange(1200, dtype=np.uint8)[:, None, None]
    monkeypatch.setattr(animation, "frames", lambda *_: [
        np.broadcast_to(rows + n, (1200, 1600, 3)).copy() for n in range(2)])
    film, _ = animation.animate(run, chosen(run, ["pH"])[0], tmp_path, solid=False)
    assert film.stat().st_size > 1000 and capfd.readouterr() == ("", "")


def test_a_missing_package_is_told_with_the_remedy(monkeypatch):
    with pytest.raises(extras.ViewError, match=r'the Python package nonesuch .*ekm3d\[viz\]'):
        extras.extra("nonesuch", "pictures")


def test_the_probe_survives_a_child_that_dies(monkeypatch):
    """VTK ends the process where it can draw nowhere: the parent lives, and names the remedy."""
    monkeypatch.setattr(probe, "SPHERE", "import os; os.abort()")
    assert "libosmesa6" in probe.why_not.__wrapped__()
    monkeypatch.setattr(probe, "SPHERE", "import nonesuch")
    assert 'pip install "ekm3d[viz]"' in probe.why_not.__wrapped__()
    monkeypatch.setattr(probe, "SPHERE", "import time; time.sleep(60)")
    assert "did not answer" in probe.why_not.__wrapped__(seconds=0.5)


def test_drawing_changes_no_result(run, small_run, tmp_path):
    """Pictures go where they are told; the results stay as they are."""
    before = {p: p.read_bytes() for p in (small_run / "out").iterdir() if p.is_file()}
    list(plot.pictures(run, tmp_path, plot.Choice((0,), ("pH",), False, True), lambda line: None))
    assert before == {p: p.read_bytes() for p in (small_run / "out").iterdir() if p.is_file()}


def stages(*plan):
    """Facts of stages: hours, and whether the first row drives the second."""
    return {"stages": [{"name": str(n), "duration": 3600.0 * hours, "cathodes": ["right"] * on,
                        "anodes": ["left"] * on} for n, (hours, on) in enumerate(plan)]}


def test_potential_and_current_are_drawn_when_power_is_on(run, tmp_path, monkeypatch):
    """Power from 1 to 5 h of 6 h, snapshots at 0, 2, 4, 6 h: 2 and 4 h; others as by default.

    Times that were asked for are taken, with a word; the view is at the last of them with power.
    """
    monkeypatch.setattr(run, "facts", run.facts | stages((1, 0), (4, 1), (1, 0)))
    assert [run.is_driven(n) for n in range(4)] == [False, True, True, False]
    drawn, said = {}, []
    monkeypatch.setattr(figures, "slices", lambda run, q, at: drawn.setdefault(q.key, at))
    monkeypatch.setattr(figures, "save", lambda figure, path: path)
    monkeypatch.setattr(flat_views, "views", lambda run: {
        "potential": lambda r, n: drawn.setdefault("view", n)})
    list(plot.pictures(run, tmp_path, plot.Choice((0, 2, 3), flat=True), said.append))
    assert drawn["pH"] == (0, 2, 3) and drawn["phi"] == drawn["current"] == (1, 2)
    assert drawn["view"] == 2
    assert said == ["no electrode is driven at 0 h, 6 h: potential and current are drawn at 2 h, "
                    "4 h"]
    drawn.clear()
    said.clear()
    list(plot.pictures(run, tmp_path, plot.Choice((1, 3), flat=True, timed=True), said.append))
    assert drawn["phi"] == (1, 3) and drawn["view"] == 1
    assert said == ["no electrode is driven at 6 h: potential and current there are what the "
                    "diffusion of ions makes of them"]


def test_a_potential_of_the_middle_of_a_run_is_shown(run, monkeypatch):
    """Nothing at the first and the last snapshot, as of water without ions: still a picture."""
    monkeypatch.setattr(run, "facts", run.facts | stages((1, 0), (4, 1), (1, 0)))
    field = run.field
    monkeypatch.setattr(run, "field", lambda name, n=-1: field(name, n) * (
        n in (1, 2) or name != "phi"))
    assert "phi" in [q.key for q in standard(run)]


RODS = [{"row": 0, "start": [0.1, 0.05, 0.7], "end": [0.1, 0.05, 0.2], "radius": 0.005},
        {"row": 1, "start": [0.5, 0.1, 0.7], "end": [0.3, 0.3, 0.3], "radius": 0.005}]


@pytest.fixture
def with_rods(run, monkeypatch):
    """The run with an upright and an oblique rod in place of its plates."""
    monkeypatch.setattr(run, "facts", {**run.facts, "rods": RODS})
    monkeypatch.setattr(run, "rows_of_metal", np.zeros(run.grid.shape, int))
    monkeypatch.setattr(run, "electrodes", ())
    return run


def test_planes_cut_rods_by_the_voxels_that_they_pass(with_rods):
    """Along y: what of a rod lies within the layer; a plan sees a dot of an upright one."""
    section = replace(planes(with_rods)[0], index=0)                # y from 0 to 0.15 m
    upright, oblique = section.lines(with_rods)
    assert upright == (0, pytest.approx((0.1, 0.7)), pytest.approx((0.1, 0.2)))
    assert oblique == (1, pytest.approx((0.5, 0.7)), pytest.approx((0.45, 0.6)))
    (rest,) = replace(section, index=1).lines(with_rods)
    assert rest == (1, pytest.approx((0.45, 0.6)), pytest.approx((0.3, 0.3)))
    plan = planes(with_rods)[1]
    (row, start, end), *_ = plan.lines(with_rods)
    assert row == 0 and start == end == pytest.approx((0.1, 0.05))
    assert plan.of(with_rods.voxels_of_rods).any()


def test_rods_are_drawn_in_slices_and_reports(with_rods, tmp_path):
    (ree,) = chosen(with_rods, ["REE"])
    path = figures.save(figures.slices(with_rods, ree, [3]), tmp_path / "slices.png")
    pixels = (255 * read(path)).round()
    for colour in (extras.ANODE, extras.CATHODE):
        wanted = [int(colour[n:n + 2], 16) for n in (1, 3, 5)]
        assert (np.abs(pixels - wanted).max(-1) <= 2).sum() > 100
    drawn = "".join(svg_slices.slides(with_rods, [ree], last_only=True).figures)
    assert '<circle class="electrode anode" data-row="0"' in drawn
    assert '<polygon class="electrode' in drawn


def test_rods_stand_before_the_voxels_of_a_flat_view(with_rods, tmp_path):
    """Hundreds of pixels of an anode between voxels, whose faces hid it when there were many."""
    (ree,) = chosen(with_rods, ["REE"])
    figure = flat_views.cut_block(with_rods, ree, 3)
    path = figures.save(figure, tmp_path / "flat.png")
    ax = figure.axes[0]
    assert ax.lines[0].get_color() == extras.ANODE
    assert min(line.zorder for line in ax.lines) > max(c.zorder for c in ax.collections)
    wanted = [int(extras.ANODE[n:n + 2], 16) for n in (1, 3, 5)]
    assert (np.abs((255 * read(path)).round() - wanted).max(-1) <= 2).sum() > 100


def test_rods_are_drawn_in_three_dimensions(with_rods, tmp_path, draws):
    """Red and blue tubes, lines of current that begin beside the rods, no surface in the air."""
    scenes = block_views.BlockViews(with_rods, (640, 480))
    path = block_views.picture(scenes.streamlines(3), tmp_path / "current.png")
    red, _, blue = np.moveaxis(read(path), -1, 0)
    assert (red > blue + 0.4).sum() > 50 and (blue > red + 0.3).sum() > 50
    assert scenes.current_lines(3) is not None
    with_rods.blank = with_rods.blank.copy()
    with_rods.blank[-2:] = True
    mesh = scenes.points(with_rods.field("phi", 3), "phi")
    assert mesh.bounds[5] == pytest.approx(0.8 - 2 * with_rods.grid.spacing[2])
