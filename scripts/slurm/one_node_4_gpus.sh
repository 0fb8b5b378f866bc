#!/bin/bash
# One run on the four GPUs of one computer of a cluster that has Slurm.
#
#   sbatch scripts/slurm/one_node_4_gpus.sh CASE        hands it in; squeue --me shows it
#
# Lines that begin with #SBATCH are orders to Slurm, not comments. There is one task per GPU: the
# tasks of a computer share out its GPUs by themselves, and more tasks than GPUs are refused.

#SBATCH --job-name=ekm3d
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=4          # processes: as many as GPUs
#SBATCH --gpus-per-node=4            # some clusters want --gres=gpu:4 instead
#SBATCH --cpus-per-task=8            # cores of each process, for the parts that stay on the host
#SBATCH --time=12:00:00              # ends the job after so long; runs cannot be resumed
#SBATCH --output=ekm3d-%j.log        # what would be on the screen; %j is the job's number

# What your cluster calls these, `module avail` tells. In the environment below:
# pip install --no-binary mpi4py 'ekm3d[mpi,cuda12]'
module load cuda openmpi
source "$HOME/ekm3d/.venv/bin/activate"

case=${1:?"say which case: sbatch $0 CASE"}
out=${2:-$case/out}

export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK     # newer Slurm does not tell srun by itself
export CUPY_CACHE_DIR=${TMPDIR:-/tmp}/cupy-$USER   # compiled kernels, on a disk of the computer

srun --cpu-bind=cores --kill-on-bad-exit=1 \
    ekm3d run "$case" --out "$out" --backend cuda -o grid.spacing="2 cm"
