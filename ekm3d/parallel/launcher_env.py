"""Launcher environment: the rank and the number of processes that mpiexec, srun and the like set."""

import os

COUNTS = {         # variable with the number of processes: that with the number of this one
    "PMI_SIZE": "PMI_RANK",                           # MPICH's Hydra, Intel MPI, Cray PALS
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",   # Open MPI
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",     # MVAPICH2
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",           # srun; an sbatch script is no step of it
    "FLUX_JOB_SIZE": "FLUX_TASK_RANK",                # flux run
}


def launched(environ=os.environ):
    """(number, count) of this process among those that a launcher started; (0, 1) without one."""
    for count, number in COUNTS.items():
        if environ.get(count, "").isdigit() and environ.get(number, "").isdigit():
            if int(environ[count]) > 1:
                return int(environ[number]), int(environ[count])
    return 0, 1
