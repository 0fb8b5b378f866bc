"""Variants of a shipped case, as overrides."""

import tomllib

from ekm3d.case.toml_text import toml


def variants(file):
    """Return {name: overrides} of a file of variants, in its order."""
    entries = tomllib.loads(file.read_text(encoding="utf-8"))["variant"]
    return {entry["name"]: [f"{key}={toml(value)}" for key, value in entry.get("set", {}).items()]
            for entry in entries}
