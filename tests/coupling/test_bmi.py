"""Basic Model Interface: the run that Simulation gives, through the interface alone."""

import numpy as np
import pytest
from helpers.salt_block import salt_case

from ekm3d import Case, Simulation

bmipy = pytest.importorskip("bmipy")
from ekm3d.coupling.bmi import Ekm3dBmi  # noqa: E402


@pytest.fixture
def model(tmp_path):
    """The salt block behind the interface."""
    model = Ekm3dBmi()
    model.initialize(str(salt_case(tmp_path) / "case.toml"))
    yield model
    model.finalize()


def test_the_run_is_that_of_the_simulation(model):
    """To 40 minutes, first in steps of the run's own, then to a given time: the same bits.

    The interface solves for the fields of the moment after every update, and so does this.
    """
    sim = Simulation(Case.read(model.sim.case.path))
    for _ in range(2):
        model.update()
    model.update_until(2400.0)
    sim.fields()
    for _ in range(2):
        sim.step(sim.schedule.end)
        sim.fields()
    for _ in sim.steps(2400.0):
        pass
    sim.fields()
    assert model.get_current_time() == 2400.0 == sim.state.time
    assert model.get_time_step() == sim.dt and model.get_time_units() == "s"
    size = model.get_grid_size(0)
    for name in ("pH", "phi", "REE_mg_per_kg"):
        if name in model.get_output_var_names():
            assert np.array_equal(model.get_value(name, np.empty(size)), sim.field(name).ravel(),
                                  equal_nan=True)
    flux = sim.field("current_density")
    for n, axis in enumerate("xyz"):
        assert np.array_equal(model.get_value_ptr(f"current_density_{axis}"), flux[..., n].ravel(),
                              equal_nan=True)
    assert model.get_value_at_indices("phi", np.empty(2), [0, 5]).tolist() == (
        sim.field("phi").ravel()[[0, 5]].tolist())


def test_a_voltage_that_is_set_drives_from_then_on(model):
    """Of a salt block the current is proportional to what the overpotential leaves of it; an
    array taken once shows later values."""
    assert model.get_input_var_names() == ("voltage", "current")
    before, phi = model.get_value("voltage", np.empty(1)).copy(), model.get_value_ptr("phi")
    first = np.nanmax(phi)
    model.set_value("voltage", 2.0 * before)
    model.update()
    assert model.get_value_ptr("voltage")[0] == 2.0 * before[0]
    assert np.isnan(model.get_value_ptr("current")[0])
    assert np.nanmax(phi) > 1.5 * first and model.get_value_ptr("phi") is phi
    with pytest.raises(KeyError, match="voltage and current can"):
        model.set_value("pH", np.zeros(3))
    with pytest.raises(ValueError, match="0 or more"):
        model.set_value("voltage", np.array([-1.0]))


def test_grids_types_and_units_are_told(model):
    """Voxel centres in the order z, y, x; edges and faces of a uniform grid are refused."""
    sim, centres = model.sim, model.sim.grid.centres
    assert model.get_grid_type(0) == "uniform_rectilinear" and model.get_grid_type(1) == "scalar"
    assert model.get_grid_shape(0, np.empty(3, int)).tolist() == list(sim.grid.shape)
    assert model.get_grid_spacing(0, np.empty(3)).tolist() == list(sim.grid.spacing[::-1])
    assert model.get_grid_origin(0, np.empty(3)).tolist() == [centres(axis)[0] for axis in range(3)]
    for axis, get in enumerate((model.get_grid_z, model.get_grid_y, model.get_grid_x)):
        assert np.array_equal(get(0, np.empty(sim.grid.shape[axis])), centres(axis))
    assert (model.get_grid_rank(0), model.get_grid_rank(1)) == (3, 0)
    for name in (*model.get_output_var_names(), *model.get_input_var_names()):
        assert model.get_var_type(name) == "float64" and model.get_var_location(name) == "node"
        assert model.get_var_nbytes(name) == 8 * model.get_grid_node_count(
            model.get_var_grid(name))
        assert model.get_var_units(name)
    assert model.get_input_item_count() == 2
    assert model.get_output_item_count() == len(model.get_output_var_names())
    with pytest.raises(NotImplementedError, match="get_grid_edge_count"):
        model.get_grid_edge_count(0)
    with pytest.raises(KeyError, match="no variable 'ph'"):
        model.get_value_ptr("ph")
    assert isinstance(model, bmipy.Bmi)
