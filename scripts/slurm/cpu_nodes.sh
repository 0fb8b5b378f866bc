#!/bin/bash
# One run on the processors of several computers ("nodes") of a cluster that has Slurm.
#
#   sbatch scripts/slurm/cpu_nodes.sh CASE        submits the job; squeue --me shows its state
#
# Lines that begin with #SBATCH are options for Slurm, not comments: change the numbers there. The
# block is divided into one box per task. Use at least 20 000 voxels per task; with fewer, tasks wait
# for one another most of the time, and a smaller number of tasks is faster.

#SBATCH --job-name=ekm3d
#SBATCH --nodes=2                    # computers
#SBATCH --ntasks-per-node=16         # processes on each: one per 4 cores or so
#SBATCH --cpus-per-task=4            # cores, that is threads, of each process
#SBATCH --time=12:00:00              # time limit of one part of the run
#SBATCH --signal=USR1@600            # 600 s before: the run saves its state and is queued again
#SBATCH --requeue
#SBATCH --open-mode=append           # the output of all parts in one file
#SBATCH --output=ekm3d-%j.log        # output of the job; %j is its number

# `module avail` lists the names on your cluster. mpi4py must be installed with the MPI that is loaded
# here: in the environment below, pip install --no-binary mpi4py 'ekm3d[mpi]'.
module load gcc openmpi
source "$HOME/ekm3d/.venv/bin/activate"

case=${1:?"say which case: sbatch $0 CASE"}
out=${2:-$case/out}

export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK        # threads of each process
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK     # newer Slurm does not pass it on to srun

# srun starts the tasks as one MPI job. If one fails, all end.
# With mpi4py from the extra [mpich] instead of the cluster's MPI: srun --mpi=pmi2.
code=0
srun --cpu-bind=cores --kill-on-bad-exit=1 \
    ekm3d run "$case" --out "$out" --backend cpp --resume auto --checkpoint "30 min" || code=$?

# 75: Slurm sent USR1 because the time is almost over, and the run has saved its state. The job is
# queued again and goes on from there.
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
