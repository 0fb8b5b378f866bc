"""Files of a case: regular, of bounded size, in its own directory or in one that it names."""

import os
from pathlib import Path

import pytest
from helpers.case_files import SMALL, copy, told

from ekm3d.case.case import Case
from ekm3d.regular_file import Folders, contents


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    """Opening a named pipe, or reading a device, would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path, reason in ((tmp_path / "pipe", "a named pipe"), (Path("/dev/zero"), "a device"),
                         (tmp_path, "a directory")):
        with pytest.raises(OSError, match=reason):
            contents(path, 100)
    with pytest.raises(FileNotFoundError):
        contents(tmp_path / "absent", 100)
    with pytest.raises(OSError, match="null byte"):
        contents("a\0b", 100)


def test_size_is_bounded_also_where_the_system_tells_none(tmp_path):
    """Files of /proc have size 0 and contents."""
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert len(contents(tmp_path / "a", 100)) == 100
    for path in (tmp_path / "a", "/proc/self/status"):
        with pytest.raises(OSError, match="more than"):
            contents(path, 99)


def test_files_lie_below_the_case_unless_it_says_more(tmp_path):
    case, other = tmp_path / "case", tmp_path / "other"
    for folder in (case / "sub", other):
        folder.mkdir(parents=True)
    (case / "link").symlink_to(other)
    own = Folders(case)
    assert own.file("a.csv") == case / "a.csv" and own.file("sub/../b.csv")
    for name in ("../other/a.csv", "link/a.csv", str(other / "a.csv"), "/etc/passwd"):
        with pytest.raises(ValueError, match="outside of the case's directory"):
            own.file(name)
    both = Folders(case, ["../other"], given={"/etc/hosts"})
    assert both.file("../other/a.csv") and both.file("link/a.csv")
    assert both.file("/etc/hosts") == Path("/etc/hosts")
    with pytest.raises(ValueError, match="outside"):
        both.file("/etc/passwd")


@pytest.mark.parametrize("old, new, key", [
    ('database = "database.toml"', 'database = "/etc/passwd"', "chemistry.database"),
    ("porosity = 0.45", 'porosity = { table = "../t.npy" }', "ore.porosity"),
    ("porosity = 0.45", 'porosity = { table = "../t.csv", column = "c" }', "ore.porosity"),
    ("porosity = 0.45", 'porosity = { table = "../t.h5", dataset = "c" }', "ore.porosity"),
    ("porosity = 0.45", 'porosity = { samples = "../t.csv", column = "c" }', "ore.porosity"),
    ('file = "points.csv"', 'file = "../points.csv"', "sampling.file")])
def test_every_reader_of_a_case_stays_inside(tmp_path, old, new, key):
    told(copy(tmp_path, SMALL, (old, new)), key, "outside of the case's directory")


def test_a_case_reads_the_folders_that_it_names(tmp_path):
    case = copy(tmp_path, SMALL, ('database = "database.toml"', 'database = "../db/own.toml"'),
                ('title = "small"', 'title = "small"\nfolders = ["../db"]'))
    told(case, "folders.0", "there is no directory '../db'")
    (tmp_path / "db").mkdir()
    (case / "database.toml").rename(tmp_path / "db" / "own.toml")
    assert Case.read(case).chemistry.components


def test_pipes_and_devices_end_with_a_message(tmp_path):
    case = copy(tmp_path, SMALL, ('file = "points.csv"', 'file = "pipe.csv"'))
    os.mkfifo(case / "pipe.csv")
    told(case, "sampling.file", "it is a named pipe, not a file")
    (case / "database.toml").unlink()
    os.mkfifo(case / "database.toml")
    told(case, "chemistry.database", "it is a named pipe, not a file")
