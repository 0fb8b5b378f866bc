"""Copies of verification cases, and changes of their verify.toml."""

import shutil

from ekm3d.verification.catalogue import available

CASES = available()


def plates_copy(folder):
    """Return the directory of a copy of the case `plates` in a folder."""
    return shutil.copytree(CASES["plates"], folder / "plates")


def with_studies(name, folder, studies):
    """Return a copy of a case with some of its studies and the comparisons that use them."""
    target = shutil.copytree(CASES[name], folder / name)
    head, *parts = (target / "verify.toml").read_text().split("\n[[")
    kept = [part for part in parts if any(f' = "{study}"\n' in part for study in studies)]
    (target / "verify.toml").write_text("\n[[".join([head, *kept]))
    return target


def spoil(directory, old, new):
    """Replace a text that occurs in verify.toml."""
    path = directory / "verify.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
