#!/bin/bash
# One large run on the GPUs of many computers of a cluster that has Slurm.
#
#   sbatch --nodes=64 scripts/slurm/many_nodes.sh CASE     options given here replace those below
#
# Lines that begin with #SBATCH are options for Slurm, not comments. As on one computer there is one
# task per GPU. Expected gain from many GPUs: cases/verification/scaling.md.

#SBATCH --job-name=ekm3d
#SBATCH --nodes=16
#SBATCH --ntasks-per-node=4          # processes on each computer: as many as it has GPUs
#SBATCH --gpus-per-node=4            # some clusters want --gres=gpu:4 instead
#SBATCH --cpus-per-task=8            # cores of each process
#SBATCH --exclusive                  # no other jobs on these computers: reproducible times
#SBATCH --time=24:00:00              # time limit of one part of the run
#SBATCH --signal=USR1@600            # 600 s before: the run saves its state and is queued again
#SBATCH --requeue
#SBATCH --open-mode=append           # the output of all parts in one file
#SBATCH --output=ekm3d-%j.log        # output of the job; %j is its number

module load cuda openmpi             # `module avail` lists the names on your cluster
source "$HOME/ekm3d/.venv/bin/activate"

case=${1:?"say which case: sbatch $0 CASE"}
out=${2:-$case/out}                  # on a disk shared by all computers

export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK     # newer Slurm does not pass it on to srun
export CUPY_CACHE_DIR=${TMPDIR:-/tmp}/cupy-$USER   # compiled kernels, on a local disk
export HDF5_USE_FILE_LOCKING=FALSE   # shared disks (Lustre, NFS) often refuse HDF5's locks

# Every task writes its own part of the fields; fields.vtkhdf shows all of them as one image.
code=0
srun --cpu-bind=cores --kill-on-bad-exit=1 \
    ekm3d run "$case" --out "$out" --backend cuda --quiet --resume auto --checkpoint "30 min" \
    -o output.mode=per-rank || code=$?

# 75: Slurm sent USR1 because the time is almost over, and the run has saved its state. The job is
# queued again and goes on from there.
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
