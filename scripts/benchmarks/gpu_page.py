"""Page of the documentation made of the results of gpu.py.

    python scripts/benchmarks/gpu_page.py FOLDER/gpu.json            prints it
    python scripts/benchmarks/gpu_page.py FOLDER/gpu.json --write    cases/verification/gpu.md

Rows of the same `table` of a part make one table; a row's other keys are its columns, in the order
in which they first come. Lines that are no rows are shown as they came, the last ones where there
are many.
"""

import argparse
import json
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "cases" / "verification" / "gpu.md"
MOST_LINES = 40
TITLES = {"smoke": "Does it run", "twins": "Tests on the device",
          "field": "The field block, 264 h, beside `cpp`", "bandwidth": "Bandwidth",
          "kernels": "Every kernel", "elliptic": "Elliptic solver", "steps": "Whole steps",
          "chemistry": "Chemistry", "transport": "Transport", "hectare": "A hectare",
          "sanitizer": "compute-sanitizer", "ncu": "Nsight Compute"}


def page(results):
    """Return the page's Markdown; results: what gpu.json holds."""
    parts = results["parts"]
    lines = ["# On a GPU", "",
             "Made by `scripts/benchmarks/gpu_page.py` of what `scripts/benchmarks/gpu.py` found; "
             "`scripts/benchmarks/README.md` tells what each part measures.", "",
             "| part | result | s | begun |", "|---|---|---:|---|"]
    lines += [f"| {name} | {part['status']} | {part.get('seconds', '')} | {part['begun']} |"
              for name, part in parts.items()]
    for name, part in parts.items():
        lines += ["", f"## {TITLES.get(name, name)}", *section(part)]
    return "\n".join(lines) + "\n"


def section(part):
    """Yield the lines of one part."""
    if part["status"] != "done":
        yield f"\nThis part is {part['status']}: what follows is incomplete."
    tables = {}
    for row in part["rows"]:
        tables.setdefault(row["table"], []).append(row)
    for title, rows in tables.items():
        yield f"\n{title}:\n"
        yield from table([{k: v for k, v in row.items() if k != "table"} for row in rows])
    text = [line for line in part["lines"] if line.strip()]
    if text:
        left = len(text) - MOST_LINES
        yield "\n```text"
        if left > 0:
            yield f"({left} lines before these)"
        yield from text[-MOST_LINES:]
        yield "```"


def table(rows):
    """Yield a Markdown table of dictionaries."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numbers = [all(isinstance(row.get(c, 0), (int, float)) for row in rows) for c in columns]
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join("---:" if n else "---" for n in numbers) + "|"
    for row in rows:
        yield "| " + " | ".join(cell(row.get(c, "")) for c in columns) + " |"


def cell(value):
    """Return a value as text: numbers with four digits, which is more than is reproducible."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "/")


def main():
    """Print or write the page."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("results", type=Path)
    parse.add_argument("--write", nargs="?", type=Path, const=PAGE, metavar="FILE")
    given = parse.parse_args()
    text = page(json.loads(given.results.read_text()))
    if given.write:
        given.write.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
