"""Factors on the diffusion of species in the ore, read from [physics.mobility].

A factor is given by name, or follows from the ionic radius; see `ekm3d.chemistry.diffusion`.
"""

from ekm3d.case.problems import Problems
from ekm3d.case.schema import CaseFile
from ekm3d.chemistry.diffusion import by_size, radii
from ekm3d.chemistry.system import ChemicalSystem
from ekm3d.quoting import quoted
from ekm3d.suggest import suggest


def read_mobility(file: CaseFile, chem: ChemicalSystem, problems: Problems) -> dict[str, float]:
    """Return {species: factor} of [physics.mobility]; empty if the table is absent or wrong."""
    entry, path = file.physics.mobility, ("physics", "mobility")
    if entry is None:
        return {}
    wrong = False
    for key, known in (("factor", chem.species), ("radius", chem.components)):
        for name in getattr(entry, key):
            if name not in known:
                problems.add((*path, key, name), f"the chosen chemistry has no {quoted(name)}"
                             + suggest(name, known))
                wrong = True
    if wrong or entry.size_exponent is None:
        return {} if wrong else dict(entry.factor)
    angstrom = radii() | entry.radius
    sized = [name for name in chem.components if name in angstrom]
    if entry.reference not in angstrom:
        what = ("is missing" if entry.reference is None
                else f"no radius of {quoted(entry.reference)}")
        problems.add((*path, "reference"), f"{what}; name the ion whose factor is 1"
                     + suggest(entry.reference, angstrom))
        return {}
    if not sized:
        problems.add((*path, "size_exponent"), "the radius of no component is known; write e.g. "
                     f"radius = {{ \"{chem.components[-1]}\" = 1.1 }}, in Angstrom")
        return {}
    return by_size(sized, entry.size_exponent, entry.reference, angstrom) | entry.factor
