"""House rules that a program can check: floors, reserved imports, names, sizes.

The folder is the floor. One test per rule; a failure lists every offender.
"""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "ekm3d").rglob("*.py"))
KERNELS = sorted((ROOT / "kernels").rglob("*.cu*"))
SOURCES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py")),
           *sorted((ROOT / "scripts").rglob("*.py"))]

# Packages from the ground up: one imports from itself, from floors below, and from the modules
# that lie beside the packages; never from another package of its own floor.
FLOORS = ["", "grid", "backends", "parallel chemistry boundaries", "solvers thermodata",
          "physics case", "diagnostics", "output", "model",
          "verification coupling study view export", "cli"]
FLOOR = {package: n for n, packages in enumerate(FLOORS) for package in packages.split() or [""]}
FRONT = {"__init__", "__main__"}        # the package's public face and `python -m ekm3d`

# What only these modules may import.
RESERVED = {
    "cupy": {"backends.choose"},
    "ctypes": {"backends.base", "backends.cpp", "backends.compiled_operator", "grid.grid"},
    "mpi4py": {"parallel.team", "parallel.gpu_sharing"},
    "subprocess": {"hdf5_child", "backends.cpp_compiler", "output.provenance",
                   "parallel.gpu_sharing", "study.runs", "cli.doctor_checks",
                   "view.probe"},
    "matplotlib": {"study.picture"},
    "h5py": {"output.vtkhdf", "output.vtkhdf_collective", "output.vtkhdf_per_rank",
             "output.results", "output.provenance", "output.real_space", "output.xdmf",
             "output.xarray_backend", "hdf5_child", "hdf5_file", "cli.doctor_checks"},
}
# What no module imports when it is imported: pictures belong to extras, which `view.extras` imports
# when they are asked for; PHREEQC belongs to the tests.
FOREIGN = {"pyvista", "vtk", "vtkmodules", "phreeqpy", "phreeqpython", "pytest"}


def dotted(path):
    """Dotted name of a module below ekm3d, such as "physics.transport"."""
    return ".".join(path.relative_to(ROOT / "ekm3d").with_suffix("").parts)


NAMES = {dotted(module) for module in MODULES}


def package(name):
    """Package of a dotted name; "" for a module beside the packages."""
    return name.split(".")[0] if name.split(".")[0] in FLOOR else ""


@cache
def tree_of(path):
    """Syntax tree of a file, for all rules; none of them changes it."""
    return ast.parse(path.read_text())


@cache
def nodes_of(path):
    """All nodes of a file's syntax tree, walked once."""
    return tuple(ast.walk(tree_of(path)))


@cache
def imports(path, top_only=False):
    """Dotted names of everything a file imports, for types alone too, and inside functions unless
    `top_only`."""
    tree, found = tree_of(path), []
    guarded = [node for part in tree.body if isinstance(part, ast.If) for node in part.body]
    for node in [*tree.body, *guarded] if top_only else nodes_of(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{'.' * node.level}{node.module or ''}.{alias.name}"
                      for alias in node.names]
    return found


@cache
def siblings(path, top_only=False):
    """Modules of ekm3d that a file imports, by their dotted names below it."""
    found = set()
    for name in imports(path, top_only):
        if name.startswith("ekm3d."):
            inner = name.removeprefix("ekm3d.")
            found |= {inner, inner.rpartition(".")[0]} & NAMES
    return found


def test_every_folder_has_a_floor():
    folders = {package(dotted(path)) or path.parent.name for path in MODULES}
    assert folders == {*FLOOR, "ekm3d"} - {""}


def test_imports_run_downwards_only():
    """From the own package or a lower floor, never from a neighbour on the same floor."""
    wrong = []
    for path in MODULES:
        own = package(dotted(path))
        if dotted(path) in FRONT:
            continue
        for other in sorted(siblings(path)):
            theirs = package(other)
            if theirs != own and (FLOOR[theirs] >= FLOOR[own] or other in FRONT):
                wrong.append(f"{dotted(path)} imports {other}")
    assert wrong == []


def test_only_what_lies_above_the_model_knows_both_case_and_model():
    """A simulation is given plain checked data; it does not read case files."""
    wrong = [dotted(path) for path in MODULES if package(dotted(path)) in ("model", "output")
             and any(package(other) == "case" for other in siblings(path))]
    assert wrong == []


def test_pictures_and_reports_read_results_only():
    """`view` knows neither a simulation nor a case: what it shows is in the result directory."""
    wrong = [f"{dotted(path)} imports {other}" for path in MODULES
             if package(dotted(path)) == "view" for other in siblings(path)
             if package(other) not in ("view", "output", "diagnostics", "grid", "")]
    assert wrong == []


def test_there_is_no_circle():
    """Within a package, too, there is an order. Imports inside functions are left out."""
    graph = {dotted(path): siblings(path, top_only=True) for path in MODULES}
    while free := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in free}
    assert graph == {}


def test_devices_ranks_and_files_are_known_to_their_own_modules_only():
    """Above `backends` nobody knows a device, above `parallel` nobody a rank."""
    wrong = []
    for path in MODULES:
        packages = {name.split(".")[0] for name in imports(path)}
        wrong += [f"{dotted(path)} imports {name}" for name in packages & FOREIGN]
        wrong += [f"{dotted(path)} imports {name}" for name, allowed in RESERVED.items()
                  if name in packages and dotted(path) not in allowed]
        wrong += [f"{dotted(path)}: relative import" for name in imports(path) if name[0] == "."]
    assert wrong == []


def test_operators_lie_beside_their_kernels():
    """physics/transport.py and physics/transport.cu; the grid comes first, a docstring explains."""
    wrong = []
    for path in MODULES:
        for node in nodes_of(path):
            if any(getattr(mark, "id", "") == "operator"
                   for mark in getattr(node, "decorator_list", [])):
                kernel = ROOT / "kernels" / path.relative_to(ROOT / "ekm3d").with_suffix(".cu")
                if not (kernel.is_file() and node.args.args[0].arg == "g"
                        and ast.get_docstring(node)):
                    wrong.append(f"{dotted(path)}: {node.name}")
    wrong += [str(path) for path in KERNELS if path.suffix == ".cu" and not (
        ROOT / "ekm3d" / path.relative_to(ROOT / "kernels").with_suffix(".py")).is_file()]
    assert wrong == []


def test_files_are_short_and_explained():
    """400 lines, 100 columns, a first line that says what it is, nothing left to be done."""
    wrong = []
    for path in [*SOURCES, *KERNELS]:
        text, name = path.read_text(), str(path.relative_to(ROOT))
        lines = text.splitlines()
        wrong += [f"{name}: {len(lines)} lines"] * (len(lines) > 400)
        wrong += [f"{name}:{n}: {len(line)} columns"
                  for n, line in enumerate(lines, 1) if len(line) > 100]
        wrong += [f"{name}: {mark}" for mark in ("TO" + "DO", "FIX" + "ME", "XX" + "X")
                  if mark in text]
        if path.suffix == ".py" and text and not re.match(r'(#[^\n]*\n)*r?"""\S', text):
            wrong.append(f"{name}: no docstring")
    assert wrong == []


def test_no_error_is_swallowed():
    """No bare except, and no handler that does nothing."""
    wrong = [f"{dotted(path)}:{node.lineno}" for path in MODULES
             for node in nodes_of(path)
             if isinstance(node, ast.ExceptHandler)
             and (node.type is None or isinstance(node.body[0], ast.Pass))]
    assert wrong == []


def test_no_test_imports_another():
    """Shared parts of tests lie in tests/helpers."""
    wrong = [f"{path.name} imports {name}" for path in sorted((ROOT / "tests").rglob("*.py"))
             for name in imports(path) if name.split(".")[0].startswith("test_")]
    assert wrong == []


def test_every_page_has_its_text():
    """A page begins with its title; the tables that programs write have none, but are not empty."""
    folders = ("cases", "ekm3d", "kernels", "scripts", "tests")
    pages = [*ROOT.glob("*.md"), *(page for folder in folders
                                   for page in (ROOT / folder).glob("**/*.md"))]
    assert len(pages) > 40
    tables = ROOT / "cases" / "validation"
    assert [str(page) for page in pages if not page.read_text().startswith("# ")
            and (page.parent != tables or not page.read_text().strip())] == []
