"""Texts of real machines: byte order marks, line ends, encodings; cases and tables made of them."""

import codecs

import pytest
from helpers.case_files import ROOT, complaints, copy

from ekm3d.case.case import Case
from ekm3d.text_file import NotUTF8, decoded
from ekm3d.thermodata.load import load

SALT = ROOT / "tests" / "data" / "case_salt"
POINTS = "name,x,y,z\none,0.25,0.2,0.1\n"


@pytest.mark.parametrize("data", [
    b"a = 1\nb = 2\n", codecs.BOM_UTF8 + b"a = 1\nb = 2\n", b"a = 1\r\nb = 2\r\n",
    codecs.BOM_UTF8 + b"a = 1\r\nb = 2\r\n", b"a = 1\rb = 2\r"],
    ids=["plain", "marked", "Windows", "both", "old Macintosh"])
def test_marks_and_line_ends_are_no_part_of_a_text(data):
    assert decoded(data) == "a = 1\nb = 2\n"


@pytest.mark.parametrize("data, message, line", [
    ("a = 1".encode("utf-16"), "this is UTF-16 text; save the file as UTF-8", 1),
    (codecs.BOM_UTF16_BE + "a".encode("utf-16-be"), "this is UTF-16 text", 1),
    ("a = 1".encode("utf-32"), "this is UTF-32 text", 1),
    ("a = 1".encode("utf-16-le"), "looks like UTF-16", 1),
    ("a = 1".encode("utf-16-be"), "looks like UTF-16", 1),
    ("a\nb = 'ü'".encode("latin-1"), "byte 0xfc is not UTF-8 text", 2)])
def test_other_encodings_are_refused_by_name(data, message, line):
    with pytest.raises(NotUTF8, match=message) as caught:
        decoded(data)
    assert caught.value.line == line


@pytest.mark.parametrize("save", [
    lambda text: codecs.BOM_UTF8 + text.encode(), lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode()],
    ids=["mark", "CRLF", "both"])
def test_a_case_saved_on_Windows_is_the_same_case(tmp_path, save):
    """case.toml, its database and its table of points; the line of a mistake stays right."""
    plain, other = copy(tmp_path / "a", SALT), copy(tmp_path / "b", SALT)
    for case in (plain, other):
        (case / "points.csv").write_text(POINTS)
    for name in ("case.toml", "salt.toml", "points.csv"):
        (other / name).write_bytes(save((other / name).read_text()))
    sampled = ['sampling.file="points.csv"']
    assert Case.read(other, sampled).describe() == Case.read(plain, sampled).describe()
    text = (plain / "case.toml").read_text().replace('duration = "6 h"', 'duration = "6 kg"')
    (plain / "case.toml").write_text(text)
    (other / "case.toml").write_bytes(save(text))
    line = 1 + text[:text.index('"6 kg"')].count("\n")
    assert complaints(other) == complaints(plain) and f":{line}: " in complaints(plain)[0]


def test_UTF_16_is_refused_by_name_in_every_file(tmp_path):
    for name, place in (("case.toml", "case.toml:1: "), ("salt.toml", "salt.toml: "),
                        ("points.csv", "cannot read points.csv: line 1: ")):
        case = copy(tmp_path / name, SALT)
        (case / "points.csv").write_text(POINTS)
        (case / name).write_bytes((case / name).read_text().encode("utf-16"))
        line = complaints(case, 'sampling.file="points.csv"')[0]
        assert f"{place}this is UTF-16 text; save the file as UTF-8" in line


def test_a_phreeqc_database_with_a_mark_is_read(tmp_path):
    """And one in UTF-16 is refused; Latin-1 in comments does no harm."""
    text = (ROOT / "tests" / "data" / "small.dat").read_text()
    plain, marked = tmp_path / "a.dat", tmp_path / "b.dat"
    plain.write_text(text)
    marked.write_bytes(codecs.BOM_UTF8 + text.encode() + b"# \xe9\n")
    assert load(marked)[0][0][1].keys() == load(plain)[0][0][1].keys()
    marked.write_bytes(text.encode("utf-16"))
    with pytest.raises(ValueError, match="b.dat: this is UTF-16"):
        load(marked)


def test_a_character_that_looks_like_another_is_named(tmp_path):
    """A no-break space out of a web page, a quotation mark of a word processor."""
    case = copy(tmp_path, SALT)
    text = (case / "case.toml").read_text()
    for wrong, name in ((text.replace("max_step =", "max_step\u00a0="), "U+00A0, no-break space"),
                        (text.replace('"10 min"', "\u201c10 min\u201d"), "U+201C, left double")):
        (case / "case.toml").write_text(wrong)
        (line,) = complaints(case)
        assert name in line and "this is not TOML" in line
