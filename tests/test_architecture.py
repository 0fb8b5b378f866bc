"""The house rules that a program can check: floors, who may know what, sizes, names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "ekm3d").glob("*.py"))
SOURCES = MODULES + sorted((ROOT / "tests").glob("*.py")) + sorted((ROOT / "scripts").glob("*.py"))
KERNELS = sorted((ROOT / "kernels").glob("*.cu*"))

FLOORS = {
    1: "grid backend ordered cuda hostcompiler kernelsource domain decomposition halo sums "
       "launch slabs devices stencil constants resources version units casetext hostmemory "
       "waiting",
    2: "fields system database chemistry equilibrium elimination orebody electrodes wells "
       "schedule elliptic multigrid blending schema sheet layout formula voxelfile sources "
       "water newton cells sides stages activity exchangers phases descent waters selection "
       "consistency tables contacts terminals dissolved kinetics mobility orevoxels rates "
       "responses schema_chemistry composition solvent records library phreeqcfile "
       "phreeqcdatabase budget electrolyte memory seeds",
    3: "potential flow transport reactions cathode relaxation immobile medium",
    4: "simulation slow corrector snapshots monitor results provenance audit maps outputs progress "
       "writer pieces collective sample traffic inventory",
    5: "__main__ report case casereport verify verification comparison quantities "
       "databasereport",
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}
FLOOR["__init__"] = 6        # the front door: shows what users import
PHYSICS = 3                  # its modules know nothing of one another

# What only these modules may import.
RESERVED = {"cupy": {"backend"}, "ctypes": {"backend", "grid"}, "mpi4py": {"domain", "launch"},
            "subprocess": {"hostcompiler", "provenance", "devices"},
            "h5py": {"snapshots", "collective", "pieces", "results", "provenance", "voxelfile"}}
# What the core never needs: pictures belong to extras, PHREEQC to the tests.
FOREIGN = {"matplotlib", "pyvista", "vtk", "vtkmodules", "phreeqpy", "phreeqpython", "pytest"}


def name(path):
    return path.stem


def imports(path):
    """Dotted names of everything a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def siblings(path):
    """Modules of this package that a file imports."""
    found = {n.split(".")[1] for n in imports(path) if n.startswith("ekm3d.")}
    return found & {name(p) for p in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_import_downwards_only(path):
    """A module may use its own floor and those below; the physics only those below."""
    assert path.stem in FLOOR, f"give {path.name} a floor"
    highest = FLOOR[path.stem] - (FLOOR[path.stem] == PHYSICS)
    wrong = sorted(other for other in siblings(path) if FLOOR.get(other, 0) > highest)
    assert not wrong, f"{path.name} (floor {FLOOR[path.stem]}) imports {wrong}"


def test_no_module_imports_itself_by_way_of_others():
    """Within a floor, too, there is an order. Imports inside functions are left out."""
    graph = {}
    for path in MODULES:
        tree = ast.parse(path.read_text())
        top = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
        names = {n.module for n in top if isinstance(n, ast.ImportFrom)}
        graph[path.stem] = {n.split(".")[1] for n in names if n.startswith("ekm3d.")} & FLOOR.keys()
    while free := {module for module, needs in graph.items() if not needs & graph.keys()}:
        graph = {module: needs for module, needs in graph.items() if module not in free}
    assert not graph, f"imports in a circle among {sorted(graph)}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_devices_ranks_and_files_are_known_to_their_own_modules_only(path):
    """Above backend.py nobody knows a device, above domain.py nobody a rank."""
    packages = {n.split(".")[0] for n in imports(path)}
    assert not packages & FOREIGN
    for package, allowed in RESERVED.items():
        assert package not in packages or path.stem in allowed, f"{path.name} imports {package}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_operators_name_the_kernel_file_of_their_own_stem(path):
    """transport.py and transport.cu: who knows one name finds the other. Grid comes first."""
    for node in ast.walk(ast.parse(path.read_text())):
        for mark in getattr(node, "decorator_list", []):
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "operator":
                assert mark.args[0].value == f"{path.stem}.cu"
                assert node.args.args[0].arg == "g"
                assert ast.get_docstring(node)


@pytest.mark.parametrize("path", [p for p in KERNELS if p.suffix == ".cu"], ids=name)
def test_every_kernel_file_has_its_module(path):
    assert (ROOT / "ekm3d" / f"{path.stem}.py").is_file()


@pytest.mark.parametrize("path", SOURCES + KERNELS, ids=lambda path: path.name)
def test_files_are_short_and_explained(path):
    """400 lines, 100 columns, a first line that says what it is, nothing left to be done."""
    text = path.read_text()
    lines = text.splitlines()
    assert len(lines) <= 400, "a concept is missing: split by idea"
    assert [n for n, line in enumerate(lines, 1) if len(line) > 100] == []
    assert not any(mark in text for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X"))
    if path.suffix == ".py" and text:
        assert ast.get_docstring(ast.parse(text)), "a docstring that says what the file is"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_error_is_swallowed(path):
    """No bare except, and no handler that does nothing."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
            assert not isinstance(node.body[0], ast.Pass), f"line {node.lineno}: error swallowed"


def test_pyflakes_is_silent():
    """No unused imports or names, none undefined.

    Not asked about schema.py: its annotations hold quantities ("10 cm"), which pyflakes takes
    for the names of types.
    """
    pytest.importorskip("pyflakes")
    files = [str(path) for path in SOURCES if path.name != "schema.py"]
    answer = subprocess.run([sys.executable, "-m", "pyflakes", *files],
                            capture_output=True, text=True)
    assert answer.stdout + answer.stderr == ""
