"""[sampling] and [[probe]]: mistakes in files of points, points outside the block."""

import pytest
from helpers.case_files import SMALL, complaints, copy, told_with_line

# Line of the small case that is replaced, its replacement, key, message.
WRONG = [
    ('position = ["25 cm", 0.4, "1.5 m"]', 'position = ["25 cm", 0.4, "3.5 m"]',
     "probe.0.position", "(0.25, 0.4, 3.5) m lies outside the block"),
    ('file = "points.csv"', 'file = "point.csv"', "sampling.file", "there is no file 'point.csv'"),
]


@pytest.mark.parametrize("old, new, key, message", WRONG,
                         ids=[f"{case[2]}-{n}" for n, case in enumerate(WRONG)])
def test_wrong_points_are_refused_with_line_and_key(tmp_path, old, new, key, message):
    told_with_line(tmp_path, old, new, key, message)


@pytest.mark.parametrize("content, message", [
    ("name,x,y,z\nA,0.1,0.1,5\n", "extra.csv:2: the point (0.1, 0.1, 5) m lies outside the block"),
    ("name,x,y\nA,0.1,0.1\n", "needs one column z or z_m"),
    ("x,y,z\n0.1,0.1,1\n", "has no column 'name'"),
    ("name,x,y,z\nA,0.1,0.1,1\nA,0.2,0.1,1\n", "extra.csv:2: point 'A' is listed 2 times"),
    ("name,x,y,z\nA,0.1,zero,1\n", "extra.csv:2: y is 'zero', which is not a number"),
    ("name,x,y,z\n# none\n", "holds no data"),
    ("name,x,y,z\n/,0.1,0.1,1\n", "'/' cannot name a point"),
])
def test_wrong_sampling_file_is_refused_with_its_line(tmp_path, content, message):
    case = copy(tmp_path, SMALL, ("points.csv", "extra.csv"), extra=content)
    assert message in complaints(case)[0]
