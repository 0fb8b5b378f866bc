"""Problems of a case: all of them at once, in the order of the file, and never a traceback."""

import pytest
from helpers.case_files import SMALL, complaints, copy

from ekm3d.case.case import Case
from ekm3d.case.problems import CaseError
from ekm3d.case.toml_text import key_lines


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return copy(tmp_path_factory.mktemp("small"))


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(tmp_path):
    """Ten mistakes in ten places, one of them in a table that hides others: ten lines."""
    case = copy(tmp_path, SMALL, ("[grid]", "colour = 3\n[grid]"),
                ("porosity = 0.45", "porosity = '1 V'"),
                ('LREE = "142', 'LREX = "142'), ('"Na+" = "2 mmol/l"', '"Na+" = "2"'),
                ("cathodes", "cathods"), ('duration = "2 h"', 'duration = "2 m"'),
                ("contact_resistance = \"7 ohm\"", "contact_resistance = 'low'"),
                ('at = "anodes"', 'at = "top"'), ('position = ["25 cm"', 'position = ["25 m"'),
                ("points.csv", "none.csv"))
    lines = complaints(case, "nonsense")
    numbers = [int(line.split(":")[1]) for line in lines[1:]]
    assert lines[0].startswith("-o nonsense: ") and numbers == sorted(numbers)
    for key in ("colour", "ore.porosity", "ore.exchangeable.LREX", "water.composition.Na+",
                "electrodes.row.1.contact_resistance", "well.0.at", "schedule.stage.0.cathods",
                "schedule.stage.0.duration", "sampling.file", "probe.0.position"):
        assert sum(f": {key}: " in line for line in lines) == 1, key
    assert len(lines) == 12     # and a stage with anodes but, for the misspelling, no cathodes


GARBAGE = ["[]", "{}", "-1", "text", "true", "[[1]]", "1979-05-27"]


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.slow)
                                       for turn in range(1, len(GARBAGE)))])
def test_garbage_in_the_small_case_is_refused_without_traceback(small, turn):
    """Garbage in place of every key in turn: a Case or a CaseError, never anything else.

    Another kind for every next key; all kinds for all keys in the slow suite.
    """
    for n, path in enumerate(key_lines((small / "case.toml").read_text())):
        garbage = GARBAGE[(n + turn) % len(GARBAGE)]
        dotted = ".".join(f'"{p}"' if isinstance(p, str) else str(p) for p in path)
        try:
            Case.read(small, [f"{dotted}={garbage}"])
        except CaseError as error:
            assert error.lines and all(error.lines)
