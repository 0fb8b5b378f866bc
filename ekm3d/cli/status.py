"""`ekm3d status`: how far a run has come, whether its process lives, and what may be done."""

import argparse
import json
from pathlib import Path

from ekm3d.cli.help_page import page
from ekm3d.constants import HOUR
from ekm3d.errors import OutputError
from ekm3d.output import checkpoints
from ekm3d.output.earlier_results import kept_aside
from ekm3d.output.results import STATUS_FILE
from ekm3d.output.run_owner import lives


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d status`."""
    parser = commands.add_parser("status", **page(
        "say how far a run has come, and whether it lives",
        "ekm3d status site", "ekm3d status site/study/runs/gradient=0.3_V_cm-1a2b3c"))
    parser.add_argument("directory", metavar="DIR", help="results of a run, or its case")


def command(args: argparse.Namespace) -> int:
    """Print the status of a run; 0. OutputError where there is none."""
    directory = Path(args.directory)
    if not (directory / STATUS_FILE).exists() and (directory / "out" / STATUS_FILE).exists():
        directory = directory / "out"
    try:
        status = json.loads((directory / STATUS_FILE).read_text(encoding="utf-8"))
        print(text(directory, status))
    except FileNotFoundError:
        raise OutputError(f"{directory} holds no {STATUS_FILE}: no run has written there"
                          ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{directory / STATUS_FILE} cannot be read: {error}") from None
    return 0


def text(directory: Path, status: dict) -> str:
    """Return the lines that are printed; status: contents of status.json."""
    state = str(status["state"])
    alive = lives(status)
    if state == "running" and alive is False:
        state = "dead: its process has ended without a word"
    elif state == "running" and alive is None:
        state = f"running when last heard of, on {status.get('host', 'another computer')}"
    share = status["time_s"] / status["of_s"] if status["of_s"] else 1.0
    lines = [f"{directory}: {state}",
             f"  t = {status['time_s'] / HOUR:.4g} h of {status['of_s'] / HOUR:.4g} "
             f"({share:.0%}), step {status['step']}, written {status['updated_utc']}"]
    if status.get("reason"):
        lines.append(f"  {status['reason']}")
    if "process" in status:
        lines.append(f"  process {status['process']} on {status.get('host', '?')}"
                     + {True: ", alive", False: ", ended", None: ""}[alive])
    if aside := kept_aside(directory):
        lines.append(f"  {aside}")
    found = checkpoints.files(directory)
    if found:
        lines.append(f"  {len(found)} checkpoint{'s' * (len(found) > 1)}, the last {found[-1]}")
    return "\n".join(lines)
