"""File calls: with and without the system's own."""

import os

import pytest

from ekm3d import file_calls


@pytest.mark.parametrize("own", [True, False])
def test_reading_and_writing_at_a_place(tmp_path, monkeypatch, own):
    if not own:
        monkeypatch.delattr(os, "pread"), monkeypatch.delattr(os, "pwrite")
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with open(path, "r+b", buffering=0) as file:
        assert file_calls.write_at(file.fileno(), b"ab", 4) == 2
        assert file_calls.read_at(file.fileno(), 5, 3) == b"3ab67"
        assert file_calls.read_at(file.fileno(), 5, 9) == b"9"
    assert path.read_bytes() == b"0123ab6789"


def test_a_folder_that_cannot_be_opened_is_let_be(tmp_path):
    file_calls.flush_folder(tmp_path)
    file_calls.flush_folder(tmp_path / "none")
