"""Messages and bytes per step, counted by the program and by hand."""

import sys

from helpers import mpi
from helpers.salt_block import salt_case

from ekm3d.grid.grid import Grid
from ekm3d.parallel.communication_stats import CommunicationStats
from ekm3d.parallel.domain import Domain

sys.path.insert(0, str(mpi.TESTS.parent / "scripts" / "benchmarks"))
import scaling

STEPS = """
from ekm3d import Case, Simulation
from ekm3d.parallel.team import join
from ekm3d.parallel.communication_stats import CommunicationStats
sim = Simulation(Case.read({case!r}, ["physics.potential=false", "physics.flow=false"]), "numpy",
                 join())
sim.step()
stats = CommunicationStats(sim.domain)
sim.balances.boxes = []                    # without current there is no Faraday box
for _ in range(3):
    sim.step()
result = stats.per_step(3)
fill = CommunicationStats(sim.domain)
s = sim.state
sim.domain.fill(s.c, s.transport_factor, s.pore_turnover, s.phi)
print(result["messages"], result["bytes"], *fill.per_step(1).values(), len(s.c), sim.domain.boxes)
"""


def test_one_process_sends_nothing():
    stats = CommunicationStats(Domain(Grid((4, 3, 2), (1.0, 1.0, 1.0))))
    assert stats.per_step(5) == {"messages": 0.0, "bytes": 0.0, "reductions": 0.0}
    assert stats.text(5).startswith("1 process, per step: 0.0 messages, 0 MB")


def test_bytes_of_a_halo_exchange_are_those_of_the_formula(tmp_path):
    """Boxes of 2 and 4 x 3 x 4 voxels: one neighbour across x, two layers of 3 x 4 voxels.

    2 x 12 voxels x (species + transport_factor + pore_turnover + phi) x 8 bytes, in one message; a
    step without potential and flow sends just that, and gathers at boundary faces and wells.
    """
    code, out, errors = mpi.script(2, STEPS.format(case=str(salt_case(tmp_path))))
    assert (code, errors) == (0, "")
    words = out.split(maxsplit=6)
    messages, sent, once, size, _, species = map(float, words[:6])
    assert words[6].strip() == "[((0, 0, 0), (4, 3, 2)), ((0, 0, 2), (4, 3, 6))]"
    assert once == 1 and size == 2 * 12 * (species + 3) * 8
    assert size == scaling.layer_bytes(1, species) * 12                # the model's
    assert messages >= 1 and size <= sent < 3 * size


def test_profile_is_printed_and_logged(tmp_path):
    """One line, with the number of processes; more is sent than the ghosts of one field."""
    code, out, errors = mpi.ekm3d(2, "run", salt_case(tmp_path), "--profile", "--quiet",
                                    "--backend", "numpy", "-o", "schedule.stage.0.duration=20 min")
    assert (code, errors) == (0, "")
    line = next(line for line in out.splitlines() if "messages" in line)
    assert line.startswith("2 processes, per step: ") and out.count("reductions") == 1
    words = line.split()
    assert float(words[4]) > 10 and float(words[6]) > 1e-3 and float(words[9]) > 10
    assert line in (tmp_path / "case" / "out" / "log.txt").read_text()
