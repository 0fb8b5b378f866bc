"""Distance that a gradient is taken over: rows that face one another, and those that do not."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.case_files import ROOT, copy

from ekm3d.case.case import Case
from ekm3d.case.electrode_distance import distance

SALT = ROOT / "tests" / "data" / "case_salt"


def row(*centres):
    """A row of electrodes at these x, y, z."""
    return SimpleNamespace(centres=centres, centre=np.mean(centres, axis=0))


def line(x, *ys):
    """A row of upright electrodes at one x."""
    return row(*((x, y, 0.5) for y in ys))


RING = row(*((2 + 1.5 * np.cos(a), 2 + 1.5 * np.sin(a), 0.5) for a in np.arange(6) * np.pi / 3))


@pytest.mark.parametrize("anodes, cathodes, metres, words", [
    ([line(0, 0, 1, 2)], [line(1, 0, 1, 2)], 1.0, "rows' centres"),
    ([line(0, 0, 1, 2)], [line(1, 0.5, 1.5)], 1.0, "rows' centres"),              # staggered
    ([line(0, 0, 1), line(2, 0, 1)], [line(1, 0, 1)], 1.0, "rows' centres"),
    ([line(0, 0, 1), line(2.5, 0, 1)], [line(1, 0, 1)], 1.0, "nearest"),          # 1 and 1.5 m
    ([RING], [line(2, 2)], 1.5, "nearest"),                                       # concentric
    ([RING], [line(2.3, 2)], 1.2, "nearest"),
    ([line(0, 0, 1, 2)], [line(1, 10, 11, 12)], np.hypot(1, 8), "nearest"),       # side by side
    ([row((0, 0, 0), (0.3, 1, 0), (0, 2, 0))], [line(1, 0, 1, 2)], None, "nearest")])
def test_distance_of_rows(anodes, cathodes, metres, words):
    """By hand; the last row is bent by 0.3 m, so that no distance of lines is meant."""
    found = distance(anodes, cathodes)
    assert words in found.between
    if metres is not None:
        assert found.metres == pytest.approx(metres)
    assert distance(cathodes, anodes) == found


def test_a_ring_of_anodes_round_a_cathode_has_a_voltage_and_check_says_so(tmp_path):
    """Four anodes 20 cm and 15 cm to both sides of a cathode: 10 V/m over the 25 cm to each."""
    corners = [[[x, y, 0], [x + 0.1, y + 0.15, 0.8]] for x in (0, 0.4) for y in (0, 0.3)]
    case = Case.read(copy(tmp_path, SALT), [
        f"electrodes.row.0.plates={corners}",
        "electrodes.row.1.plates=[[[0.2, 0.15, 0], [0.3, 0.3, 0.8]]]",
        "schedule.stage.0={name='a', duration=60, anodes=['left'], cathodes=['right'], "
        "gradient='10 V/m'}", "electrodes.row.2.plates=[[[0.5, 0.15, 0], [0.6, 0.3, 0.2]]]"])
    apart = np.hypot(0.2, 0.15)
    assert case.schedule.stages[0].voltage == pytest.approx(10.0 * apart)
    assert f"10 V/m over {apart:.4g} m between the nearest opposite electrodes" in case.describe()
