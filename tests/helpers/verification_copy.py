"""A copy of the quickest verification case, and changes of its verify.toml."""

import shutil

from ekm3d.verification.catalogue import available

CASES = available()


def plates_copy(folder):
    """Return the directory of a copy of the case `plates` in a folder."""
    return shutil.copytree(CASES["plates"], folder / "plates")


def spoil(directory, old, new):
    """Replace a text that occurs in verify.toml."""
    path = directory / "verify.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
