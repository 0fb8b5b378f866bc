"""Cost of boundary faces to the host of a GPU: its time per face and step, and what crosses.

    python scripts/benchmarks/bench_contacts.py     two sizes, on the tests' stand-in for CuPy

Rows of electrodes every metre, with their wells, of 8 192 and 65 536 faces. A profile of a step
tells the processor time of the host from that of the device, which is all time behind the
stand-in's functions: the slope between both sizes is the host's time per face, at the most, for
freeing the stand-in's large arrays is counted with it. Beside other work it varied from 0 to 1 us
from run to run; what crosses is counted, and does not vary. A hectare of rows every
5 m in voxels of 10 cm has 4 million faces.
"""

import cProfile
import pstats
import sys
import tempfile
import time
from pathlib import Path

import hectare

from ekm3d.backends import choose
from ekm3d.backends.cuda import CudaBackend
from ekm3d.case.case import Case
from ekm3d.model.simulation import Simulation
from ekm3d.resources import case_path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from helpers import cuda_stand_in

HECTARE = 4e6       # faces
DEVICE = ("cuda_stand_in.py", "device_memory.py")
STEPS = 5           # the quickest counts


def simulation(length, depth, folder):
    """A block of this length and depth [m], rows every metre, in voxels of 0.25 m."""
    points = folder / "points.csv"
    points.write_text(f"name,x_m,y_m,z_m\nA,0.6,1,{0.5 * depth}\n", encoding="utf-8")
    wide, hectare.ROW_SPACING = hectare.ROW_SPACING, 1.0
    changes = (*hectare.overrides(0.25, length, depth), *hectare.SETS[1][1],
               f"sampling.file={str(points)!r}")
    hectare.ROW_SPACING = wide
    choose.BUILDERS["cuda"] = lambda why: CudaBackend(why, cuda_stand_in)
    return Simulation(Case.read(case_path("field_saturated"), changes), "cuda")


def on_host(profile):
    """Seconds of a profile outside of what the stand-in does, and of what that calls."""
    total, device = 0.0, 0.0
    for (name, *_), (*_, own, whole, callers) in pstats.Stats(profile).stats.items():
        total += own
        if name.endswith(DEVICE):
            device += sum(spent[3] for (caller, *_), spent in callers.items()
                          if not caller.endswith(DEVICE)) if callers else whole
    return total - device


def measured(length, depth):
    """(faces, s of the host per step, largest transfer, transfers) of a step."""
    with tempfile.TemporaryDirectory() as folder:
        sim = simulation(length, depth, Path(folder))
        sim.step()
        sim.step()
        seconds, crossed = [], cuda_stand_in.crossed
        for _ in range(STEPS):
            crossed.times = crossed.largest = 0
            profile = cProfile.Profile(time.process_time)
            profile.runcall(sim.step)
            seconds.append(on_host(profile))
        return (sim.contacts.faces.strip.size, min(seconds), crossed.largest,
                crossed.times)


def main():
    """Print both sizes, and what follows for a hectare."""
    found = [measured(*size) for size in ((8.0, 4.0), (16.0, 8.0))]
    for faces, seconds, largest, times in found:
        print(f"{faces} faces: {1e3 * seconds:.2f} ms of the host per step; {times} transfers to "
              f"the host, the largest of {largest} numbers")
    (few, low, *_), (many, high, *_) = found
    slope = max(high - low, 0.0) / (many - few)
    print(f"{1e9 * slope:.1f} ns per face and step: {slope * HECTARE:.3f} s for a hectare's "
          f"{HECTARE:g} faces")


if __name__ == "__main__":
    main()
