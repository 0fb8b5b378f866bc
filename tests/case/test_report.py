"""Report of a case, as `ekm3d check` prints it."""

from helpers.case_files import copy

from ekm3d.case.case import Case


def test_report_names_all_sections_in_si(tmp_path):
    text = Case.read(copy(tmp_path)).describe()
    for word in ("120 of 0.1 x 0.2 x 0.5 m", "1800 kg", "0.54 m3", "LREE+3", "Al(OH)3", "left",
                 "right", "feed", "sump", "13.5", "20 on, 10 off", "middle", "3.5e-07"):
        assert word in text
