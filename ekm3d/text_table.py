"""Text tables: columns padded to the width of their longest cell."""

from collections.abc import Iterable


def table(rows: Iterable[Iterable[object]], align: str = "") -> list[str]:
    """Return the lines of a table; `align` holds < or > for each column, > by default."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=False)]
    align = align.ljust(len(widths), ">")
    return ["  " + "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(
        row, align, widths, strict=False)).rstrip() for row in cells]
