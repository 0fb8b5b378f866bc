"""Copies of verification cases, and changes of their verify.toml."""

import json
import re
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
    kept, wanted = [], False
    for part in parts:
        if part.startswith("compare.peer]]"):
            pass                                    # it stays with its comparison, the one before
        elif listed := re.search(r"^study = (\[.*\])$", part, flags=re.MULTILINE):
            some = [study for study in json.loads(listed[1]) if study in studies]
            part, wanted = part.replace(listed[1], json.dumps(some)), bool(some)
        else:
            wanted = any(f' = "{study}"\n' in part for study in studies)
        if wanted:
            kept.append(part)
    (target / "verify.toml").write_text("\n[[".join([head, *kept]))
    return target


def spoil(directory, old, new):
    """Replace a text that occurs in verify.toml."""
    path = directory / "verify.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
