#!/bin/bash
# Many small runs side by side: one case with several gradients and pulses, as a job array.
#
#   sbatch scripts/slurm/job_array.sh CASE RUNS     results: RUNS/0, RUNS/1, ... a directory each
#
# Lines that begin with #SBATCH are options for Slurm, not comments. Every member of the array is a
# job of its own that runs this script with its number in SLURM_ARRAY_TASK_ID. MPI is not needed:
# each member is one process. Small runs side by side are more efficient than one run on many tasks.

#SBATCH --job-name=ekm3d-array
#SBATCH --array=0-5%3                # members 0 to 5, at most three at a time
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4            # cores, that is threads, of each run
#SBATCH --time=02:00:00              # time limit of one part of a run
#SBATCH --signal=USR1@600            # 600 s before: the run saves its state and is queued again
#SBATCH --requeue
#SBATCH --open-mode=append           # the output of all parts in one file
#SBATCH --output=ekm3d-%A-%a.log     # %A is the number of the array, %a that of the member

source "$HOME/ekm3d/.venv/bin/activate"

case=${1:?"say which case and where results go: sbatch $0 CASE RUNS"}
runs=${2:?"say where results go: sbatch $0 CASE RUNS"}
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK

# Member number n takes gradient n mod 3 and pulse n div 3.
gradients=("0.2 V/cm" "0.3 V/cm" "0.4 V/cm")
pulses=("40 min" "60 min")
gradient=${gradients[$((SLURM_ARRAY_TASK_ID % 3))]}
pulse=${pulses[$((SLURM_ARRAY_TASK_ID / 3))]}

code=0                               # srun hands the signal on
srun --ntasks=1 \
    ekm3d run "$case" --out "$runs/$SLURM_ARRAY_TASK_ID" --quiet --backend cpp \
    --resume auto --checkpoint "30 min" \
    -o schedule.stage.0.gradient="$gradient" -o schedule.stage.1.gradient="$gradient" \
    -o schedule.stage.1.pulse.on="$pulse" || code=$?

# 75: Slurm sent USR1 because the time is almost over, and the run has saved its state. The job is
# queued again and goes on from there.
if [ "$code" -eq 75 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
