"""Report and comparison: what the pages say, and that they need nothing else."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.small_run import without_facts

from ekm3d.case.case import Case
from ekm3d.chemistry.voxel_solver import ChemistryError
from ekm3d.errors import InputError
from ekm3d.view import comparison, quality
from ekm3d.view.headline import Headline
from ekm3d.view.ledger import ledger
from ekm3d.view.prices import prices
from ekm3d.view.report import Sources, report
from ekm3d.view.run import Run
from ekm3d.view.targets import Target, claims, targets

pytest.importorskip("jinja2", reason="pip install 'ekm3d[viz]'")
pytest.importorskip("matplotlib", reason="pip install 'ekm3d[viz]'")
PRICES = """[prices]
currency = "USD"
electricity_per_kWh = 0.09
ammonium_sulfate_per_t = 130
water_per_m3 = 0.4
REO_per_kg = 10
"""
TARGETS = """# targets of a plan
key,scale,quantity,target,where
removal_REE_mean,100,removal (%),> 95,plan
energy_kWh,1,energy (kWh),< 1000,plan
current_start_A,1,current (A),about 0.9,plan
"""


@pytest.fixture
def run(small_run):
    return Run.of(small_run)


@pytest.fixture
def page(run, tmp_path):
    (tmp_path / "prices.toml").write_text(PRICES)
    (tmp_path / "targets.csv").write_text(TARGETS)
    return report(run, Sources(tmp_path / "prices.toml", tmp_path / "targets.csv"))


class Outline(HTMLParser):
    """Tags that are open at the end, and addresses that a page refers to."""

    def __init__(self, page):
        super().__init__()
        self.open, self.addresses, self.headings = [], [], []
        self.feed(page)

    def handle_startendtag(self, tag, attrs):
        self.addresses += [value for name, value in attrs if name in ("href", "src")]

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "input", "br", "img"):
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def text_of(page):
    """Text of a page without tags and scripts."""
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.S).split())


def test_a_report_is_whole_and_refers_to_nothing_outside(page):
    """Well-formed, below 5 MB, no address but in the page itself."""
    outline = Outline(page)
    assert outline.open == [] and len(page) < 5_000_000
    assert [a for a in outline.addresses if not a.startswith(("data:", "#"))] == []
    assert "http" not in re.sub(r"data:image[^\"]*", "", page)
    assert outline.headings == [
        "In brief", "Against time", "Inside the block", "Ledger", "What is possible at all",
        "Balances and audits", "Where it comes from, and how to repeat it"]


def test_a_report_answers_in_the_order_of_a_planner(page):
    text = text_of(page)
    places = [text.index(question) for question in (
        "How much", "When", "How pure", "What it takes", "What stays in the ore",
        "What passed each well, boundary and side", "Against targets")]
    assert places == sorted(places)
    for part in ("USD per t of REO", "LREE recovered", "lost", "closes", "ekm3d run",
                 "--backend numpy", "case.toml, as it was run"):
        assert part in text, part


def test_warnings_of_the_log_come_without_the_totals_of_a_tank(run, tmp_path, monkeypatch):
    """As the run writes them: place and remedy stay, numbers of every component do not.

    Steps that were repeated are counted after the first.
    """
    failed = ChemistryError("no equilibrium", ("H+", "Na+"), np.array([0]),
                            np.array([[-52.5], [17.25]]), "(0.1, 0.2, 0.3) m")
    again = f"warning: t = 3 h: {failed}; the step is repeated with at most 60 s\n"
    assert "H+ -52.5" in again
    monkeypatch.setattr(run, "directory", tmp_path)
    (tmp_path / "log.txt").write_text(
        again + "warning: something else\n" + again.replace("t = 3", "t = 4")
        + again.replace("t = 3", "t = 5"))
    assert quality.warnings(run)[:2] == [
        "t = 3 h: no equilibrium in 1 voxel(s), the first is voxel 0; at (0.1, 0.2, 0.3) m; the "
        "step is repeated with at most 60 s; steps were repeated 2 more times, see log.txt",
        "something else"]


def test_what_stays_names_the_sampling_points_of_cases_that_have_any(run, monkeypatch):
    """The pH is that of all ore in any case."""
    def names(**facts):
        monkeypatch.setattr(run, "facts", run.facts | facts)
        return [line.name for line in Headline(run, ledger(run)).stays()]

    assert run.facts["sampling_points"] == len(Case.read(run.directory.parent).sampling)
    assert "water-soluble N at the sampling points" in names(sampling_points=3)
    found = names(sampling_points=0)
    assert "water-soluble N" in found and "lowest pH of the ore" in found


def test_targets_are_met_missed_or_compared(page, run, tmp_path):
    """Three lines of the table; the claim above the bound is red in the chart."""
    text = text_of(page)
    assert "missed" in text and "met" in text and "times" in text
    assert 'class="claim beyond"' in page and "not possible with this charge" in text
    found = targets(run, tmp_path / "targets.csv")
    assert [t.verdict for t in found][:2] == ["missed", "met"]
    assert claims(run, tmp_path / "targets.csv")[0][1] == 0.95


@pytest.mark.parametrize("text, value, verdict", [
    ("> 90 at most points", 91.0, "met"), ("<= 2", 2.5, "missed"), ("0.5", 1.0, "2.00 times"),
    ("about 610 000", 305000.0, "0.50 times"), ("1.67 (Methods: 2.0)", 1.67, "1.00 times"),
    ("315 on 14 t", 199.0, ""), ("not given", 1.0, ""), ("> 90", None, "")])
def test_words_beside_a_number_are_not_compared(text, value, verdict):
    assert Target("key", "quantity", text, "", value, 1.0).verdict == verdict


def test_what_is_not_known_is_not_nothing(small_run, tmp_path):
    """Results without facts: no masses, no ledger, no bound; never a 0 in their place."""
    old = Run.of(without_facts(tmp_path, small_run / "out"))
    text = text_of(report(old, Sources()))
    assert "REO recovered not known" in text.replace("in leachate and on cathode plates ", "")
    assert "masses of oxides are not known" in text and "1 warning" in text


def test_a_case_without_rare_earths_says_so(run, monkeypatch):
    """Nothing is "not known" of what is not there."""
    monkeypatch.setattr(run, "components", tuple(c for c in run.components if c.group != "REE"))
    text = text_of(report(run, Sources()))
    assert "no rare earths" in text and "REO recovered" not in text and "not known" not in text[
        text.index("In brief"):text.index("What passed")]


def test_a_run_that_goes_on_has_a_report(small_run, tmp_path):
    """Without summary and series, of one snapshot and more."""
    half = tmp_path / "half"
    half.mkdir()
    (half / "fields.vtkhdf").write_bytes((small_run / "out" / "fields.vtkhdf").read_bytes())
    text = text_of(report(Run.of(half), Sources()))
    assert "not complete" in text and "not known" in text


@pytest.mark.parametrize("text, message", [
    ("[prices]\nelectricty_per_kWh = 1", "did you mean 'electricity_per_kWh'"),
    ("water_per_m3 = -1", "at least 0"), ("water_per_m3 = true", "at least 0"),
    ("[REO_per_kg]\nLREEE = 1", "did you mean 'LREE'"), ("prices = 3", "should be a table"),
    ("x = [", "prices.toml: ")])
def test_wrong_prices_are_refused_by_name(run, tmp_path, text, message):
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        prices(run, tmp_path / "prices.toml")


def test_a_comparison_puts_differences_first(small_run, other_run):
    """Twice the voltage: it is named, and the rows are in the order of their differences."""
    runs = [Run.of(small_run), Run.of(other_run)]
    assert dict(comparison.input_rows(runs))["schedule.stage.0.voltage"] == ("20 V", "40 V")
    found = comparison.rows(runs)
    sizes = [row.largest for row in found if row.largest < float("inf")]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0.1
    page = comparison.page(runs)
    outline, text = Outline(page), text_of(page)
    assert outline.open == [] and "http" not in re.sub(r"data:image[^\"]*", "", page)
    assert text.index("What was changed") < text.index("What came out differently")
    assert page.count("<polyline") >= 2 * page.count('class="chart"')


def test_a_run_is_the_same_as_itself(small_run):
    runs = [Run.of(small_run)] * 2
    assert {row.largest for row in comparison.rows(runs)} == {0.0}
    assert comparison.input_rows(runs) == []
    assert "the cases are the same" in comparison.page(runs)
    assert len(set(comparison.names(runs))) == 2
