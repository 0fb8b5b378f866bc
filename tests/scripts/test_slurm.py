"""The scripts for clusters: bash reads them, and every command in them is one that ekm3d takes.

They are run, too, by a bash for which srun and module are stand-ins: srun only starts its command,
and ekm3d writes down what it was called with, so that quotes and variables have had their effect.
"""

import os
import subprocess
from pathlib import Path

import pytest

from ekm3d import Case
from ekm3d.cli.main import parser

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "scripts" / "slurm").glob("*.sh"))
STAND_INS = {
    "module": "",
    "srun": 'while [[ $1 == -* ]]; do echo "$1" >> "$CALLS/srun"; shift; done; exec "$@"',
    "ekm3d": 'printf "%s\\n" "$@" > "$CALLS/$(date +%s%N)"; exit ${ENDS:-0}',
    "scontrol": 'echo "$@" >> "$FOLDER/scontrol"',
}
# What Slurm sets in a script of one task of so many cores, member 4 of an array.
SLURM = {"SLURM_CPUS_PER_TASK": "4", "SLURM_ARRAY_TASK_ID": "4", "SLURM_JOB_ID": "1234",
         "USER": "miner"}


def name(path):
    return path.name


def run(script, folder, *words, ends=0):
    """(exit code, error text, command lines of ekm3d, options of srun) of a script."""
    binaries, calls = folder / "bin", folder / "calls"
    for made in (binaries, calls, folder / "ekm3d" / ".venv" / "bin"):
        made.mkdir(parents=True)
    for command, text in STAND_INS.items():
        (binaries / command).write_text(f"#!/bin/bash\n{text}\n")
        (binaries / command).chmod(0o755)
    (folder / "ekm3d" / ".venv" / "bin" / "activate").write_text("")
    answer = subprocess.run(
        ["bash", "-eu", script, *map(str, words)], capture_output=True, text=True,
        env={**SLURM, "ENDS": str(ends), "FOLDER": str(folder), "HOME": str(folder),
             "CALLS": str(calls), "PATH": f"{binaries}:{os.environ['PATH']}"})
    srun = (calls / "srun").read_text().split() if (calls / "srun").exists() else []
    lines = [p.read_text().splitlines() for p in sorted(calls.iterdir()) if p.name != "srun"]
    return answer.returncode, answer.stderr, lines, srun


def test_there_are_templates_for_every_kind_of_job():
    assert [p.name for p in SCRIPTS] == ["cpu_nodes.sh", "job_array.sh", "many_nodes.sh",
                                         "one_node_4_gpus.sh"]


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_bash_reads_it(script):
    answer = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_its_command_is_one_that_ekm3d_takes(script, tmp_path):
    """The parser takes the line, and the field case takes its overrides, units and all."""
    case, results = ROOT / "cases" / "field_saturated", tmp_path / "results"
    code, errors, lines, srun = run(script, tmp_path, case, results)
    assert (code, errors) == (0, "") and len(lines) == 1
    args = parser().parse_args(lines[0])
    assert args.command == "run" and Path(args.case) == case
    assert Path(args.out) == (results / "4" if script.stem == "job_array" else results)
    read = Case.read(args.case, args.overrides)
    assert len(args.overrides) == {"cpu_nodes": 0, "job_array": 3, "many_nodes": 1,
                                   "one_node_4_gpus": 0}[script.stem]
    if script.stem == "job_array":
        second = read.schedule.stages[1]
        assert srun == ["--ntasks=1"] and (second.on, second.off) == (3600.0, 600.0)
    else:
        assert "--kill-on-bad-exit=1" in srun
    if script.stem == "many_nodes":
        assert read.output.mode == "per-rank"
    assert read.grid == Case.read(case).grid            # the user's


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
@pytest.mark.parametrize("ends", [0, 2, 3, 75])
def test_an_interrupted_run_is_queued_again(script, tmp_path, ends):
    """Exit code 75 alone; the job's own exit code is that of the run, which goes on by itself."""
    code, errors, lines, _ = run(script, tmp_path, tmp_path / "case", tmp_path / "out", ends=ends)
    assert (code, errors) == (ends, "") and "auto" == parser().parse_args(lines[0]).resume
    asked = tmp_path / "scontrol"
    assert asked.exists() == (ends == 75)
    if ends == 75:
        assert asked.read_text() == "requeue 1234\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_without_a_case_it_says_how_it_is_called(script, tmp_path):
    code, errors, lines, _ = run(script, tmp_path)
    assert code != 0 and lines == [] and f"sbatch {script} CASE" in errors


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_orders_to_slurm_come_first_and_add_up(script):
    """Slurm stops reading orders at the first command; on GPUs there is a task for each."""
    lines = script.read_text().splitlines()
    orders = [n for n, line in enumerate(lines) if line.startswith("#SBATCH")]
    commands = [n for n, line in enumerate(lines) if line and not line.startswith("#")]
    assert orders and max(orders) < min(commands)
    given = dict(lines[n].split()[1].partition("=")[::2] for n in orders)
    assert given.get("--gpus-per-node") in (None, given.get("--ntasks-per-node"))
    assert {"--time", "--output", "--job-name", "--cpus-per-task"} <= given.keys()


def test_the_readme_s_command_for_many_processes_is_one_that_ekm3d_takes():
    """The words behind the launcher are a command of ekm3d."""
    line = next(line for line in (ROOT / "README.md").read_text().splitlines()
                if "mpiexec -n 4" in line)
    args = parser().parse_args(line.split("bin/ekm3d ", 1)[1].split())
    assert args.command == "run" and (ROOT / args.case / "case.toml").is_file()
