"""Pages in a headless Chromium: no error, no request, the slider moves, charts show values."""

import shutil
from contextlib import contextmanager

import pytest

from ekm3d.view import comparison, interactive, probe
from ekm3d.view.report import Sources, report
from ekm3d.view.run import Run

pytestmark = pytest.mark.browser
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@pytest.fixture(scope="module")
def browser():
    """A Chromium of the machine, or playwright's own; a visible skip without either."""
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with api.sync_playwright() as play:
        try:
            found = play.chromium.launch(executable_path=path, args=FLAGS)
        except api.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield found
        found.close()


@contextmanager
def opened(browser, path, scheme="light"):
    """Open a file; at the end nothing was written on the console, or asked of a network."""
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    said = []
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith(
        ("file:", "data:", "blob:")) else None)
    page.goto(path.as_uri())
    yield page
    page.close()
    assert said == []


@pytest.fixture(scope="module")
def page_file(small_run, tmp_path_factory):
    pytest.importorskip("jinja2")
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report(Run.of(small_run), Sources()), encoding="utf-8")
    return path


def test_the_slider_moves_the_slices(browser, page_file):
    """Every time has its own pictures and roles; the button plays to the end."""
    with opened(browser, page_file) as page:
        last = page.get_attribute("#s0-0", "href")
        assert page.inner_text("#hour") == "t = 6 h"
        page.locator("#time").fill("0")
        assert page.inner_text("#hour") == "t = 0 h"
        assert page.get_attribute("#s0-0", "href") != last
        assert page.locator(".electrode.anode").count() > 0
        page.click("#play")
        page.wait_for_function("document.getElementById('hour').textContent === 't = 6 h'")
        assert page.get_attribute("#s0-0", "href") == last


def test_charts_show_the_values_under_the_pointer(browser, page_file):
    with opened(browser, page_file) as page:
        chart = page.locator("figure.chart").nth(1)
        assert not chart.locator(".tip").is_visible()
        chart.scroll_into_view_if_needed()
        box = chart.locator("svg").bounding_box()
        page.mouse.move(box["x"] + 0.97 * box["width"], box["y"] + box["height"] / 2)
        text = chart.locator(".tip").inner_text()
        assert "6 hours" in text and "LREE" in text
        page.mouse.move(1, 1)
        assert not chart.locator(".tip").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser, page_file, scheme):
    """Brightness of ink and page lie far apart, in the order of the scheme; nothing overflows."""
    with opened(browser, page_file, scheme) as page:
        ink, paper = page.evaluate("""() => { const s = getComputedStyle(document.body);
            return [s.color, s.backgroundColor].map(c => c.match(/\\d+/g).slice(0, 3)
                .reduce((sum, v) => sum + Number(v) / 765, 0)); }""")
        assert abs(ink - paper) > 0.7 and (ink < paper) == (scheme == "light")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_comparison_opens(browser, small_run, other_run, tmp_path):
    pytest.importorskip("jinja2")
    path = tmp_path / "comparison.html"
    path.write_text(comparison.page([Run.of(small_run), Run.of(other_run)]), encoding="utf-8")
    with opened(browser, path) as page:
        assert page.locator("#differences tbody tr").count() > 5


@pytest.mark.slow
def test_the_interactive_page_shows_the_block(browser, small_run, tmp_path):
    """Something is drawn that is neither white nor of one colour."""
    if reason := probe.why_not():
        pytest.skip(reason)
    said = []
    made = interactive.interactive(Run.of(small_run), tmp_path / "scene.html", said.append)
    if made is None:
        pytest.skip(said[0])
    image = pytest.importorskip("PIL.Image")
    with opened(browser, made) as page:
        page.wait_for_selector("canvas", timeout=60_000)
        page.wait_for_timeout(3000)
        page.screenshot(path=tmp_path / "scene.png")
    colours = image.open(tmp_path / "scene.png").convert("RGB").getcolors(maxcolors=10**7)
    assert len(colours) > 50
