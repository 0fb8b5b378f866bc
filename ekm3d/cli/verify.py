"""`ekm3d verify`: run the verification cases and print a table of their outcomes.

Exit codes: 0 all passed, 1 not all.
"""

import argparse
import os
import time
from math import isnan

from ekm3d.cli.case_arguments import add_backend
from ekm3d.cli.help_page import page
from ekm3d.quoting import quoted
from ekm3d.verification.catalogue import chosen
from ekm3d.verification.judge import Outcome, verify
from ekm3d.verification.spec import Verification

NOT_PASSED = 1
HEADER = (f"{'case':26s} {'what is compared':46s} {'cells':>11s} {'error':>9s} {'allowed':>9s} "
          f"{'order':>6s} {'least':>6s}")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the grammar of `ekm3d verify`."""
    parser = commands.add_parser("verify", **page(
        "run the verification cases against their references",
        "ekm3d verify --list     what each case proves", "ekm3d verify a_exchange_column",
        "ekm3d verify --full --jobs 4"))
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="cases to run, by name or letter, or directories (default: all)")
    add_backend(parser)
    parser.add_argument("--full", action="store_true",
                        help="run the grids that convergence needs, not only the quick ones")
    parser.add_argument("--jobs", type=processes, default=min(2, os.cpu_count() or 1),
                        metavar="N", help="processes (default: %(default)s)")
    parser.add_argument("--list", action="store_true",
                        help="list what each case proves, run nothing")


def processes(text: str) -> int:
    """Return a number of processes; argparse shows the message of an error."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is no number of processes from 1 on")
    return int(text)


def command(args: argparse.Namespace) -> int:
    """Run the command; CaseError or BackendError for bad input."""
    paths = chosen(args.names)
    if args.list:
        for v in map(Verification.read, paths):
            print(f"{v.name:26s} {v.file.family:22s} {v.file.proves}")
        return 0
    begun, passed, total = time.monotonic(), 0, 0
    print(HEADER, flush=True)
    which = "full" if args.full else "quick"
    for outcomes in verify(paths, which, args.backend, args.jobs):
        print("\n".join(map(line, outcomes)), flush=True)
        passed += sum(o.passed for o in outcomes)
        total += len(outcomes)
    print(f"{passed} of {total} passed in {time.monotonic() - begun:.0f} s")
    return 0 if passed == total else NOT_PASSED


def line(o: Outcome) -> str:
    """Return a row of the table, with a further line for every other program."""
    cells = " x ".join(str(n) for n in o.cells[-1] if n > 1) if o.cells else ""
    text = f"{o.case:26s} {o.what:46.46s} "
    if o.failure:
        return text + f"FAILED: {o.failure}"
    text += (f"{cells.replace(' ', ''):>11s} {o.error:9.2e} {o.required:9.2e} "
             f"{_number(o.order):>6s} {_number(o.required_order):>6s}  "
             f"{'pass' if o.passed else 'FAIL'}")
    for name, peer_cells, theirs, ours in o.peers:
        text += f"\n{'':26s} {name} on {peer_cells} cells: {theirs:.1e}, ours {ours:.1e}"
    return text


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.2f}"
