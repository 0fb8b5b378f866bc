"""Tables of ekm3d/README.md that are made from the code: state fields, and kernels.

    python scripts/tools/reference_tables.py             write both tables into the page
    python scripts/tools/reference_tables.py --check     exit code 1 if the page is out of date

A table stands between two comments, `<!-- begin: NAME -->` and `<!-- end: NAME -->`. Fields come
from ekm3d.state.FIELDS and their shapes from a State; kernels come from the files in kernels/, and
their meaning from the docstring of the NumPy twin.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path

from ekm3d.backends.base import Backend
from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.grid.grid import Grid
from ekm3d.resources import folder
from ekm3d.state import FIELDS, PROCESSES, State

PAGE = Path(__file__).resolve().parents[2] / "ekm3d" / "README.md"
STRIPS, SIDES, AXES = 70, 30, 40      # lengths that differ, so that a shape can be read back


def shapes() -> dict[str, str]:
    """Return the shape of every state array as text, such as "(components, padded)".

    A State is made whose axes all have different lengths; each length is then replaced by the
    name of its axis.
    """
    grid = Grid((2, 3, 4), (1.0, 1.0, 1.0))
    axes = sorted({field.axis for field in FIELDS.values() if field.axis})
    counts = {axis: AXES + n for n, axis in enumerate(axes)}
    names = {length: axis for axis, length in counts.items()}
    names |= {STRIPS: "strips", STRIPS + SIDES: "places"}
    state = State(grid, Backend("reference tables"), counts, STRIPS, SIDES, PROCESSES)
    found = {}
    for name in FIELDS:
        shape = getattr(state, name).shape
        padded = shape[-3:] == grid.padded
        parts = [names[n] for n in (shape[:-3] if padded else shape)] + ["padded"] * padded
        found[name] = f"({', '.join(parts)})"
    return found


def first_sentence(docstring: str | None) -> str:
    """Return the first sentence of a docstring, on one line, without its final full stop."""
    paragraph = " ".join((docstring or "").strip().split("\n\n")[0].split())
    return re.split(r"\.(?: (?=[A-Z(])|$)", paragraph)[0]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; cells are text."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |"
                     for line in lines)


def fields() -> str:
    """Return the table of state fields."""
    shape = shapes()
    return table(["field", "unit", "shape", "meaning", "only with", "needed for restart"],
                 [[f"`{name}`", field.unit, shape[name], field.meaning,
                   field.process or "any case", "yes" if field.restart else "no"]
                  for name, field in FIELDS.items()])


def kernel_rows() -> Iterator[list[str]]:
    """Yield kernel, file, NumPy twin and meaning of every kernel.

    A kernel without a function of its name has a whole module as its twin.
    """
    root = folder("kernels")
    for path in sorted(root.rglob("*.cu")):
        source = path.relative_to(root)
        module = import_module(".".join(("ekm3d", *source.with_suffix("").parts)))
        for name in kernel_names(path.read_text()):
            twin = getattr(module, name, None)
            place = f"{module.__name__}.{name}" if hasattr(twin, "source") else module.__name__
            text = twin.__doc__ if hasattr(twin, "source") else module.__doc__
            yield [f"`{name}`", f"`{source.as_posix()}`", f"`{place}`", first_sentence(text)]


def kernels() -> str:
    """Return the table of kernels."""
    return table(["kernel", "file in kernels/", "NumPy twin", "meaning"], list(kernel_rows()))


TABLES = {"fields": fields, "kernels": kernels}


def updated(text: str, tables: Mapping[str, Callable[[], str]] = TABLES) -> str:
    """Return the text of a page with its tables made anew, each by the function of its name.

    Raises ValueError where the page lacks the comments of a table.
    """
    for name, make in tables.items():
        begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"the page has no {begin.strip()} ... {end}")
        text = f"{before}{begin}{make()}\n{end}{after}"
    return text


def main(arguments: list[str] | None = None, page: Path = PAGE,
         tables: Mapping[str, Callable[[], str]] = TABLES) -> int:
    """Write the tables of a page, or with --check compare them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="exit with 1 if out of date")
    options = parser.parse_args(arguments)
    old = page.read_text(encoding="utf-8")
    new = updated(old, tables)
    if not options.check:
        page.write_text(new, encoding="utf-8")
        print(f"{page}: {'written' if new != old else 'up to date'}")
    elif new != old:
        print(f"{page} is out of date: run python scripts/tools/all_tables.py, and commit it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
