"""Table of the field case beside the paper, in Markdown, from summaries of finished runs.

    python scripts/tools/field_table.py NAME=DIRECTORY [NAME=DIRECTORY ...]

Each NAME is the heading of a column; rows and the paper's numbers come from
cases/field_block/paper.csv. Stages are counted from the first that has a current.
"""

import csv
import sys
from pathlib import Path

from ekm3d import open_results

PAPER = Path(__file__).resolve().parents[2] / "cases" / "field_block" / "paper.csv"


def rows():
    """Return the lines of paper.csv as dictionaries."""
    lines = [line for line in PAPER.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def table(summaries):
    """Yield the lines of the table; summaries: {column name: summary}."""
    yield "| quantity | paper | " + " | ".join(summaries) + " |"
    yield "|---" * (2 + len(summaries)) + "|"
    for row in rows():
        values = (summary[row["key"]] for summary in summaries.values())
        yield f"| {row['quantity']} | {row['paper']} | " + " | ".join(
            cell(value, float(row["scale"])) for value in values) + " |"


def with_voltage(summary):
    """Return a summary whose stages are counted from the first that has a current."""
    stages = sorted({int(key.split("_")[1].removeprefix("stage")) for key in summary
                     if key.startswith("current_stage")})
    names = {f"stage{stage}": f"stage{n}" for n, stage in enumerate(stages, 1)}
    return {"_".join(names.get(part, part) for part in key.split("_")): value
            for key, value in summary.items()}


def cell(value, scale):
    """Return a number times `scale` as text, "-" where it is undefined."""
    if value is None:
        return "-"
    return f"{value * scale:.3g}" if abs(value * scale) < 1e4 else f"{value * scale:,.0f}"


def main(arguments):
    """Print the table of the runs named on the command line."""
    pairs = [argument.partition("=") for argument in arguments]
    if not pairs or not all(directory for _, _, directory in pairs):
        sys.exit(__doc__)
    print("\n".join(table({name: with_voltage(open_results(directory).summary)
                           for name, _, directory in pairs})))


if __name__ == "__main__":
    main(sys.argv[1:])
