"""Launcher environment: rank and number of processes, as mpiexec, srun and the like set them."""

import os
from collections.abc import Mapping

COUNTS = {         # variable with the number of processes: variable with the rank
    "PMI_SIZE": "PMI_RANK",                           # MPICH's Hydra, Intel MPI, Cray PALS
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",   # Open MPI
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",     # MVAPICH2
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",           # srun; an sbatch script is no step of it
    "FLUX_JOB_SIZE": "FLUX_TASK_RANK",                # flux run
}


def launched(environ: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Return (rank, number of processes) as the launcher set them; (0, 1) without a launcher."""
    for count, rank in COUNTS.items():
        if environ.get(count, "").isdigit() and environ.get(rank, "").isdigit():
            if int(environ[count]) > 1:
                return int(environ[rank]), int(environ[count])
    return 0, 1
