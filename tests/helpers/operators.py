"""Operators of the package, found by the files of their kernels: nothing lists them again."""

from importlib import import_module

from ekm3d.backends.kernel_signature import kernel_names
from ekm3d.resources import folder, kernel_text


def sources(package="", suffix="cu"):
    """Return the kernel files of a package, or of all, such as "physics/transport.cu".

    suffix: cuh for the headers.
    """
    root = folder("kernels")
    return sorted(path.relative_to(root).as_posix() for path in (root / package).rglob(
        f"*.{suffix}"))


def operators(package=""):
    """Return {name: operator} of the kernels of a package, or of all, whose twin is a function."""
    found = {}
    for source in sources(package):
        module = import_module("ekm3d." + source.removesuffix(".cu").replace("/", "."))
        for name in kernel_names(kernel_text(source)):
            twin = getattr(module, name, None)
            if getattr(twin, "source", None) == source:
                found[name] = twin
    return found
