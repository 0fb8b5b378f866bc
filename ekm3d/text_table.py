"""Text tables: columns padded to the width of their longest cell."""


def table(rows, align=""):
    """Lines of a table with columns as wide as needed; `align` holds < or > for each column."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    align = align.ljust(len(widths), ">")
    return [
        "  "
        + "  ".join(
            f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths, strict=False)
        ).rstrip()
        for row in rows
    ]
