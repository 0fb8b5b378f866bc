#!/bin/bash
# One run on the four GPUs of one computer of a cluster that has Slurm.
#
#   sbatch scripts/slurm/one_node_4_gpus.sh CASE        submits the job; squeue --me shows its state
#
# Lines that begin with #SBATCH are options for Slurm, not comments. There is one task per GPU: each
# task takes a GPU of its own, and more tasks than GPUs are refused.

#SBATCH --job-name=ekm3d
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4          # processes: as many as GPUs
#SBATCH --gpus-per-node=4            # some clusters want --gres=gpu:4 instead
#SBATCH --cpus-per-task=8            # cores of each process, for the work that is done on the host
#SBATCH --time=12:00:00              # time limit of one part of the run
#SBATCH --signal=USR1@600            # 600 s before: the run saves its state and is queued again
#SBATCH --requeue
#SBATCH --open-mode=append           # the output of all parts in one file
#SBATCH --output=ekm3d-%j.log        # output of the job; %j is its number

# `module avail` lists the names on your cluster. In the environment below:
# pip install --no-binary mpi4py 'ekm3d[mpi,cuda12]'
module load cuda openmpi
source "$HOME/ekm3d/.venv/bin/activate"

case=${1:?"say which case: sbatch $0 CASE"}
out=${2:-$case/out}

export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK     # newer Slurm does not pass it on to srun
export CUPY_CACHE_DIR=${TMPDIR:-/tmp}/cupy-$USER   # compiled kernels, on a local disk

code=0
srun --cpu-bind=cores --kill-on-bad-exit=1 \
    ekm3d run "$case" --out "$out" --backend cuda --resume auto --checkpoint "30 min" || code=$?

# 75: Slurm sent USR1 because the time is almost over, and the run has saved its state. The job is
# queued again and goes on from there.
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
