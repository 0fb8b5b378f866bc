"""Snapshots as an xarray.Dataset: the same numbers, lazily, with coordinates and units."""

import numpy as np
import pytest
from helpers.vtkhdf_block import GRID, ORE, TIMES, block, static, stored, written

from ekm3d.output.results import open_results

xarray = pytest.importorskip("xarray")
from ekm3d.output.xarray_backend import FieldArray, FieldsBackend, for_pint  # noqa: E402


@pytest.fixture
def path(tmp_path):
    """A file with three snapshots."""
    return written(tmp_path).path


def test_fields_have_times_places_and_units(path):
    """Voxels' centres in m, times in s; vectors with x, y, z by name; the mask without time."""
    found = xarray.open_dataset(path, engine=FieldsBackend)
    assert list(found.time) == list(TIMES) and found.time.attrs["units"] == "s"
    for n, axis in enumerate("xyz"):
        centres = GRID.origin[n] + GRID.spacing[n] * (np.arange(GRID.cells[n]) + 0.5)
        np.testing.assert_allclose(found[axis], centres)
    results = open_results(path.parent)
    for name, unit in results.fields.items():
        assert found[name].attrs["units"] == for_pint(unit)
    for n in range(3):
        for name, array in block(n).items():
            assert np.array_equal(found[name].isel(time=n), stored(array), equal_nan=True)
    assert found["ore"].dims == ("z", "y", "x") and np.array_equal(found["ore"], static()[ORE])
    vector = next(name for name in block(0) if found[name].ndim == 5)
    assert list(found[vector].component.values) == ["x", "y", "z"]


def test_what_is_selected_is_read_and_no_more(path, monkeypatch):
    """Integers, falling slices, lists and names, against NumPy; nothing is read before."""
    read = []
    monkeypatch.setattr(FieldArray, "_read", lambda self, key, old=FieldArray._read: (
        read.append(key), old(self, key))[1])
    found = xarray.open_dataset(path.parent, engine=FieldsBackend)
    name = next(name for name in block(0) if found[name].ndim == 4)
    whole = np.stack([stored(block(n)[name]) for n in range(3)])
    assert not read
    for key in ((2, 0), (slice(None, None, -1), slice(0, 2)), (slice(1, 3), slice(None), 1),
                (slice(0, 0),), ([2, 0], slice(None), [0, 1])):
        index = dict(zip(("time", "z", "y", "x"), key, strict=False))
        expected = whole
        for axis, k in reversed([*enumerate(key)]):
            expected = np.take(expected, k, axis) if not isinstance(k, slice) else expected[
                (slice(None),) * axis + (k,)]
        assert np.array_equal(found[name].isel(index), expected, equal_nan=True), key
    assert read
    assert found.drop_vars(name).sizes == found.sizes
    assert name not in xarray.open_dataset(path, engine=FieldsBackend, drop_variables=name)


def test_every_unit_is_one_that_pint_reads():
    """pint-xarray takes them from the attributes; the same dimensions as in cases."""
    pint = pytest.importorskip("pint").UnitRegistry()
    for unit, same in (("m2/V/s", "meter**2/volt/second"), ("eq/m3", "mole/meter**3"),
                       ("mol/m3", "mole/meter**3"), ("A/m2", "ampere/meter**2"),
                       ("S/m", "siemens/meter"), ("mg/kg", "milligram/kilogram"), ("1", "")):
        assert pint.parse_units(for_pint(unit)) == pint.parse_units(same)


def test_the_engine_is_known_by_its_name(path):
    """The entry point, where the package is installed; the series beside it as a DataFrame."""
    if "ekm3d" not in xarray.backends.list_engines():
        pytest.skip("ekm3d is not installed, only imported")
    assert FieldsBackend().guess_can_open(path) and not FieldsBackend().guess_can_open(3)
    assert open_results(path.parent).dataset.sizes["time"] == 3


def test_the_series_is_a_table_and_a_drawing(path):
    """Units in attrs; a misspelt column is answered with the one that was meant."""
    pytest.importorskip("pandas")
    (path.parent / "series.csv").write_text("time[h],current[A],pH[1]\n0,1.5,4\n1,1.25,5\n")
    results = open_results(path.parent)
    assert results.frame["current"].tolist() == [1.5, 1.25] and results.frame.index.name == "time"
    assert results.frame.attrs["units"]["current"] == "A"
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    axes = results.plot("current")
    assert axes.get_xlabel() == "time (h)" and axes.get_ylabel() == "A"
    with pytest.raises(Exception, match="did you mean 'current'"):
        results.plot("curent")
    with pytest.raises(Exception, match="different units"):
        results.plot("current", "pH")
    assert "3 snapshots" in results._repr_html_()
