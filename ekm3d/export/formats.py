"""Results per block as CSV, Parquet and OMF, in the coordinates of the model's file.

CSV and Parquet: the columns of the file as they were, then those of the results, one row per block
that lies in the grid. OMF 1: a volume where the blocks fill a regular or a tensor grid, else the
centres as points.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ekm3d.case.block_files import package
from ekm3d.errors import InputError
from ekm3d.export.blocks import BlockResults
from ekm3d.quoting import quoted

DIGITS = 9              # of numbers as text


def table_of(results: BlockResults) -> dict[str, Any]:
    """Return {column: (n,)}: those of the file, then those of the results; InputError.

    InputError where a column of the file has the name of a result.
    """
    model = results.model
    out: dict[str, Any] = {}
    for name in model.columns.names:
        if not name:
            continue
        cells = model.columns.cells(name)
        out[name] = cells[model.rows] if isinstance(cells, np.ndarray) else \
            [cells[row] for row in model.rows]
    for name, values in _places(results).items():
        out.setdefault(name, values)
    for name, values in results.columns.items():
        if name in out:
            raise InputError(f"{model.columns.name} has a column {quoted(name)} already, the name "
                            "of a result; rename it")
        out[name] = values
    return out


def _places(results):
    """Columns of the places, where the file has none: of OMF, GSLIB and VTK."""
    model = results.model
    if model.columns.names and model.named:
        return {}
    scale = model.unit
    centres, sizes = model.file_centres / scale, 2 * model.half / scale
    return {name: values for d, axis in enumerate("xyz") for name, values in (
        (axis, centres[:, d]), (f"d{axis}", sizes[:, d]))}


def write_csv(results: BlockResults, path: Path) -> None:
    """Write a CSV file with commas and decimal points."""
    table = table_of(results)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*([_text(v) for v in values] for values in table.values()),
                             strict=True))


def _text(value):
    """Return a cell: numbers with nine digits, none for NaN."""
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.{DIGITS}g}"
    return "" if value is None else str(value)


def write_parquet(results: BlockResults, path: Path) -> None:
    """Write a Parquet file; InputError without pyarrow."""
    arrow = _package("pyarrow", "pyarrow", path)
    parquet = _package("pyarrow.parquet", "pyarrow", path)
    model = results.model
    columns = {}
    for name, values in table_of(results).items():
        if not isinstance(values, np.ndarray):
            try:                                # text of a file that is a number throughout
                values = model.columns.numbers(name, model.entry.missing)[model.rows]
            except ValueError:
                values = [None if v is None else str(v) for v in values]
        columns[name] = values
    parquet.write_table(arrow.table(columns), path)


def write_omf(results: BlockResults, path: Path) -> None:
    """Write an OMF file of version 1; InputError without omf."""
    omf = _package("omf", "omf", path)
    model = results.model
    low, high = model.file_centres - model.half, model.file_centres + model.half
    ends = [np.unique(np.round(np.concatenate([low[:, d], high[:, d]]), 6)) for d in range(3)]
    steps = [np.diff(e) for e in ends]
    index = [np.searchsorted(e, np.round(low[:, d], 6) + 1e-7) - 1 for d, e in enumerate(ends)]
    shape = tuple(len(s) for s in steps)
    exact = all(np.allclose(steps[d][index[d]], 2 * model.half[:, d], atol=1e-5) for d in range(3))
    project = omf.Project(name=model.name, description="Results of ekm3d by block")
    if exact and np.prod(shape) <= 4 * len(low):
        flat = np.ravel_multi_index(index, shape)               # z fastest

        def spread(values):
            whole = np.full(int(np.prod(shape)), np.nan)
            whole[flat] = values
            return whole

        geometry = omf.VolumeGridGeometry(
            tensor_u=steps[0], tensor_v=steps[1], tensor_w=steps[2],
            origin=[float(e[0]) for e in ends])
        element = omf.VolumeElement(name=model.name, geometry=geometry, data=[
            omf.ScalarData(name=name, location="cells", array=spread(values))
            for name, values in results.columns.items()])
    else:
        element = omf.PointSetElement(
            name=model.name, geometry=omf.PointSetGeometry(vertices=model.file_centres),
            data=[omf.ScalarData(name=name, location="vertices", array=np.asarray(values, float))
                  for name, values in results.columns.items()])
    project.elements = [element]
    path.unlink(missing_ok=True)                # its writer refuses to overwrite
    omf.OMFWriter(project, str(path))


def _package(name, of, path):
    """Return an optional package; InputError with the remedy."""
    try:
        return package(name, of, path.name)
    except ValueError as error:
        raise InputError(str(error)) from None


PACKAGES = {"parquet": "pyarrow", "omf": "omf"}         # of the extra `geo`, that a format needs


def need_package(word: str) -> None:
    """Refuse a format whose package is missing; InputError with the remedy."""
    if word in PACKAGES:
        _package(PACKAGES[word], PACKAGES[word], Path(word))


WRITERS: dict[str, Callable[[BlockResults, Path], None]] = {
    "csv": write_csv, "parquet": write_parquet, "omf": write_omf}
