"""A whole case in SI, geometry on several grids, and mistakes in its sections."""

import numpy as np
import pytest
from helpers.case_files import ROOT, SMALL, complaints, copy, told_with_line

from ekm3d.case.case import Case


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("small"))


# --- a good case ----------------------------------------------------------------------------

def test_every_section_of_the_small_case_in_si(small):
    """The numbers of tests/data/case_small/case.toml, converted by hand."""
    case = Case.read(str(small))
    assert case.grid.cells == (5, 4, 6) and case.grid.spacing == (0.1, 0.2, 0.5)
    assert case.grid.shape == case.ore.porosity.shape == (6, 4, 5)
    assert case.text == (SMALL / "case.toml").read_text() and case.title == "small"
    assert case.electrodes.overpotential == 2.5 and case.electrodes.deposition == 0.034
    left, right = case.electrodes.rows
    np.testing.assert_allclose(left.boxes[0], ((0.0, 0.25, 1.0), (0.0025, 0.35, 3.0)))
    assert (left.contact_resistance, left.catholyte_volume) == (18.0, 0.002)
    assert (right.contact_resistance, right.catholyte_volume) == (7.0, 0.0005)
    assert right.boxes == (((0.4, 0.0, 1.0), (0.5, 0.8, 3.0)),)
    feed, sump = case.wells
    assert feed.rate == pytest.approx(1.5e-6) and feed.composition == {"Na+": 0.02, "SO4-2": 0.01}
    assert sump.head == -0.1 and sump.at is None and sump.box[1] == (0.3, 0.8, 0.5)
    assert (case.schedule.pulses, case.schedule.max_step, case.schedule.cfl) == \
        ("resolved", 600.0, 0.3)
    assert case.water.composition == pytest.approx({"Na+": 2.0, "SO4-2": 1.0})
    assert case.water.prewetting == {"NH4+": 0.0225, "SO4-2": 0.01125}
    assert [p.name for p in case.sampling] == ["A", "B", "C"]
    assert case.sampling[2].position == pytest.approx((0.25, 0.1, 2.75))
    assert case.probes[0].position == (0.25, 0.4, 1.5)
    assert (case.output.snapshot_every, case.output.series_every) == (3600.0, 900.0)


@pytest.mark.parametrize("spacing, cells", [("5 cm", (40, 30, 40)), ("10 cm", (20, 15, 20)),
                                            ("12.5 cm", (16, 12, 16)), ("25 cm", (8, 6, 8))])
def test_field_case_fits_every_spacing(spacing, cells):
    """Geometry in metres: only the spacing changes. 30 V in both stages, 9 t, 2.7 m3 of pores.

    The trace water is 0.5 mM Na2SO4 and 0.2 mM NaHCO3; NH4 is 22.5 meq/kg on 9000 kg: 202.5 mol.
    """
    case = Case.read(ROOT / "cases" / "field_saturated", [f"grid.spacing={spacing}"])
    assert case.grid.cells == cells and case.grid.size == pytest.approx((2.0, 1.5, 2.0))
    assert [s.voltage for s in case.schedule.stages] == pytest.approx([30.0, 30.0])
    assert case.mass == pytest.approx(9000.0) and case.pore_volume == pytest.approx(2.7)
    assert case.inventory()["NH4+"] == pytest.approx((0.0, 202.5, 0.0))
    assert case.inventory()["Na+"] == pytest.approx((9000 * 10e-6 / 22.99e-3, 0.0, 1.2 * 2.52))
    assert len(case.sampling) == 24


def test_a_spacing_that_does_not_divide_the_block_is_told_alone():
    """Not with strips, probes and samples outside of the 1.85 m that five such voxels are."""
    found = complaints(ROOT / "cases" / "field_block", "grid.spacing=0.37 m")
    assert len(found) == 3 and all("is not a whole number of voxels" in text for text in found)


# --- mistakes -------------------------------------------------------------------------------

# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('spacing = ["10 cm", "20 cm", "50 cm"]', 'spacing = "30 cm"', "grid.spacing",
     "0.5 m along x is not a whole number of voxels of 0.3 m; a size of 0.3 or 0.6 m would be"),
    ('spacing = ["10 cm", "20 cm", "50 cm"]', 'spacing = "1 um"', "grid.spacing",
     "use a coarser spacing"),
    ('spacing = ["10 cm", "20 cm", "50 cm"]', 'spacing = ["10 cm", "20 cm"]', "grid.spacing",
     "should hold 3 values, not 2"),
    ('series_every = "15 min"', 'series_every = "15 m"', "output.series_every",
     "cannot read '15 m' as s"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_grid_or_output_is_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)


def test_directory_without_case_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path, reason in ((tmp_path / "no", "there is no such directory"),
                         (tmp_path, "there is no case.toml in it"),
                         (tmp_path / "file", "it is a file; give the directory")):
        assert reason in complaints(path)[0]
