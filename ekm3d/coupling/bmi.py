"""Basic Model Interface 2.0 of a run, for coupling to other models (pymt and the like).

    model = Ekm3dBmi()
    model.initialize("cases/field_block")            # or its case.toml
    while model.get_current_time() < model.get_end_time():
        model.set_value("voltage", np.array([30.0]))
        model.update()
    model.get_value("pH", np.empty(model.get_grid_size(0)))

Output variables are the fields of a snapshot, on grid 0: voxels' centres, order z, y, x; vectors as
three variables, name_x, name_y, name_z. The input variables voltage [V] and current [A], on
grid 1 (scalar), are those of the present stage's supply; setting one makes it the supply's control.
Interface: Hutton, Piper and Tucker, J. Open Source Softw. 5 (2020) 2317.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bmipy import Bmi

from ekm3d.case.case import Case
from ekm3d.diagnostics.derived_fields import dynamic_fields, snapshot
from ekm3d.errors import InputError
from ekm3d.model.simulation import Simulation

BLOCK, SCALAR = 0, 1
INPUTS = {"voltage": "V", "current": "A"}
AXES = "xyz"


def _not_there(name: str) -> Callable:
    """Return a method that refuses."""
    def refuse(self: Any, grid: int, *arrays: np.ndarray) -> Any:
        """Raise NotImplementedError: a uniform grid has no lists of edges and faces."""
        raise NotImplementedError(f"{name}: the block is a uniform_rectilinear grid")
    return refuse


class Ekm3dBmi(Bmi):
    """Run of a case behind the Basic Model Interface."""

    def initialize(self, config_file: str) -> None:
        """Read the case (a directory or its case.toml) and make its start. InputError, CaseError.
        """
        path = Path(config_file)
        self.sim = Simulation(Case.read(path.parent if path.is_file() else path))
        if len(self.sim.domain.boxes) > 1:
            raise InputError("the Basic Model Interface runs on one process")
        self.fields: dict[str, tuple[str, str, int | None]] = {}   # -> (field, unit, component)
        for field in dynamic_fields(self.sim):
            if field.components == 1:
                self.fields[field.name] = field.name, field.unit, None
            else:
                self.fields |= {f"{field.name}_{axis}": (field.name, field.unit, n)
                                for n, axis in enumerate(AXES)}
        self.sim.fields()
        self._take()

    def _take(self) -> None:
        """Take the fields of the present moment; the arrays of get_value_ptr stay the same."""
        now = {name: np.array(self.sim.backend.to_numpy(values), float)
               for name, values in snapshot(self.sim)}
        values = {name: (now[field] if n is None else now[field][..., n]).ravel()
                  for name, (field, _, n) in self.fields.items()}
        if not hasattr(self, "values"):
            self.values = {name: np.empty(array.size) for name, array in values.items()}
            self.supply = {name: np.zeros(1) for name in INPUTS}
        for name, array in values.items():
            self.values[name][:] = array
        drive = self.sim.schedule.drive(self.sim.state.time)
        self.supply["voltage"][:] = np.nan if drive.current is not None else drive.voltage
        self.supply["current"][:] = np.nan if drive.current is None else drive.current

    def update(self) -> None:
        """Advance by one step of the run's own choice."""
        self.update_until(np.inf, steps=1)

    def update_until(self, time: float, steps: float = np.inf) -> None:
        """Advance to a time [s], at most to the end of the schedule."""
        end = min(time, self.get_end_time())
        while self.sim.state.time < end - self.sim.schedule.slack and steps > 0:
            self.sim.step(end)
            steps -= 1
        self.sim.fields()
        self._take()

    def finalize(self) -> None:
        """Forget the run."""
        for name in ("sim", "values", "supply", "fields"):
            self.__dict__.pop(name, None)

    # ---- about the model and its variables ----

    def get_component_name(self) -> str:
        """Return the name of the model."""
        return "ekm3d"

    def get_input_var_names(self) -> tuple[str]:
        """Return the names of what can be set."""
        return tuple(INPUTS)                                       # type: ignore[return-value]

    def get_output_var_names(self) -> tuple[str]:
        """Return the names of the fields."""
        return tuple(self.fields)                                  # type: ignore[return-value]

    def get_input_item_count(self) -> int:
        """Return the number of variables that can be set."""
        return len(INPUTS)

    def get_output_item_count(self) -> int:
        """Return the number of fields."""
        return len(self.fields)

    def get_var_grid(self, name: str) -> int:
        """Return the grid of a variable: 0 for fields, 1 for the supply."""
        return SCALAR if name in INPUTS else BLOCK

    def get_var_itemsize(self, name: str) -> int:
        """Return the bytes of one value."""
        return self.get_value_ptr(name).itemsize

    def get_var_nbytes(self, name: str) -> int:
        """Return the bytes of a variable."""
        return self.get_value_ptr(name).nbytes

    def get_var_type(self, name: str) -> str:
        """Return the type of a variable's values."""
        return str(self.get_value_ptr(name).dtype)

    def get_var_units(self, name: str) -> str:
        """Return the unit of a variable."""
        return INPUTS[name] if name in INPUTS else self._field(name)[1]

    def get_var_location(self, name: str) -> str:
        """Return "node": values stand at the nodes of the grid of voxel centres."""
        self.get_value_ptr(name)
        return "node"

    def _field(self, name: str) -> tuple[str, str, int | None]:
        """Return what a field's variable stands for; KeyError with the names for another."""
        if name not in self.fields:
            raise KeyError(f"no variable {name!r}; there are {', '.join(self.fields)}")
        return self.fields[name]

    # ---- time ----

    def get_start_time(self) -> float:
        """Return 0 [s]."""
        return 0.0

    def get_current_time(self) -> float:
        """Return the time [s]."""
        return self.sim.state.time

    def get_end_time(self) -> float:
        """Return the end of the schedule [s]."""
        return self.sim.schedule.end

    def get_time_step(self) -> float:
        """Return the length of the last step [s]; the run chooses each anew."""
        return self.sim.dt

    def get_time_units(self) -> str:
        """Return the unit of time."""
        return "s"

    # ---- values ----

    def get_value_ptr(self, name: str) -> np.ndarray:
        """Return the array of a variable, which later steps fill anew."""
        if name in INPUTS:
            return self.supply[name]
        self._field(name)
        return self.values[name]

    def get_value(self, name: str, dest: np.ndarray) -> np.ndarray:
        """Copy the values of a variable into dest (n,), and return it."""
        dest[...] = self.get_value_ptr(name).reshape(dest.shape)
        return dest

    def get_value_at_indices(self, name: str, dest: np.ndarray, inds: np.ndarray) -> np.ndarray:
        """Copy the values at flat indices into dest, and return it."""
        dest[...] = self.get_value_ptr(name)[inds]
        return dest

    def set_value(self, name: str, src: np.ndarray) -> None:
        """Set the supply's voltage [V] or current [A], from now to the end of the stage."""
        if name not in INPUTS:
            raise KeyError(f"{name!r} cannot be set; {' and '.join(INPUTS)} can")
        self.sim.set_supply(**{name: float(np.ravel(src)[0])})
        self._take()

    def set_value_at_indices(self, name: str, inds: np.ndarray, src: np.ndarray) -> None:
        """Set the supply as `set_value` does; there is one index, 0."""
        self.set_value(name, src)

    # ---- grids ----

    def get_grid_rank(self, grid: int) -> int:
        """Return the number of dimensions."""
        return 3 if grid == BLOCK else 0

    def get_grid_type(self, grid: int) -> str:
        """Return "uniform_rectilinear" for the block, "scalar" for the supply."""
        return "uniform_rectilinear" if grid == BLOCK else "scalar"

    def get_grid_size(self, grid: int) -> int:
        """Return the number of values."""
        return int(np.prod(self.sim.grid.shape)) if grid == BLOCK else 1

    get_grid_node_count = get_grid_size

    def get_grid_shape(self, grid: int, shape: np.ndarray) -> np.ndarray:
        """Set shape to (nz, ny, nx) and return it."""
        return _filled(shape, self.sim.grid.shape if grid == BLOCK else ())

    def get_grid_spacing(self, grid: int, spacing: np.ndarray) -> np.ndarray:
        """Set spacing to (dz, dy, dx) [m] and return it."""
        return _filled(spacing, self.sim.grid.spacing[::-1] if grid == BLOCK else ())

    def get_grid_origin(self, grid: int, origin: np.ndarray) -> np.ndarray:
        """Set origin to the centre (z, y, x) of the first voxel [m] and return it."""
        first = [self.sim.grid.centres(axis)[0] for axis in range(3)]
        return _filled(origin, first if grid == BLOCK else ())

    def get_grid_x(self, grid: int, x: np.ndarray) -> np.ndarray:
        """Set x to the centres along x [m] and return it."""
        return self._centres(grid, 0, x)

    def get_grid_y(self, grid: int, y: np.ndarray) -> np.ndarray:
        """Set y to the centres along y [m] and return it."""
        return self._centres(grid, 1, y)

    def get_grid_z(self, grid: int, z: np.ndarray) -> np.ndarray:
        """Set z to the centres along z [m] and return it."""
        return self._centres(grid, 2, z)

    get_grid_edge_count, get_grid_edge_nodes, get_grid_face_count, get_grid_face_edges, \
        get_grid_face_nodes, get_grid_nodes_per_face = map(_not_there, (
            "get_grid_edge_count", "get_grid_edge_nodes", "get_grid_face_count",
            "get_grid_face_edges", "get_grid_face_nodes", "get_grid_nodes_per_face"))

    def _centres(self, grid: int, axis: int, out: np.ndarray) -> np.ndarray:
        return _filled(out, self.sim.grid.centres(2 - axis) if grid == BLOCK else ())


def _filled(out: np.ndarray, values: Any) -> np.ndarray:
    """Return `out` with the values in it."""
    out[...] = values
    return out
