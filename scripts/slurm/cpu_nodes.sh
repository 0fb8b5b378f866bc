#!/bin/bash
# One run on the processors of several computers ("nodes") of a cluster that has Slurm.
#
#   sbatch scripts/slurm/cpu_nodes.sh CASE        hands it in; squeue --me shows it waiting or running
#
# Lines that begin with #SBATCH are orders to Slurm, not comments: change the numbers there. A block
# is cut into one box per task. 20 000 voxels and more per task keep them busy; below that they wait
# for one another most of the time, and fewer tasks are faster.

#SBATCH --job-name=ekm3d
#SBATCH --nodes=2                    # computers
#SBATCH --ntasks-per-node=16         # processes on each: one per 4 cores or so
#SBATCH --cpus-per-task=4            # cores, that is threads, of each process
#SBATCH --time=12:00:00              # ends the job after so long; runs cannot be resumed
#SBATCH --output=ekm3d-%j.log        # what would be on the screen; %j is the job's number

# What your cluster calls these, `module avail` tells. mpi4py has to be installed with the MPI that
# is loaded here: in the environment below, pip install --no-binary mpi4py 'ekm3d[mpi]'.
module load gcc openmpi
source "$HOME/ekm3d/.venv/bin/activate"

case=${1:?"say which case: sbatch $0 CASE"}
out=${2:-$case/out}

export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK        # threads of each process
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK     # newer Slurm does not tell srun by itself

# srun starts the tasks; they find one another. Where one fails, all end.
srun --cpu-bind=cores --kill-on-bad-exit=1 \
    ekm3d run "$case" --out "$out" --backend cpp
