"""Standard output and standard error of a run, which goes on when nobody reads them any more.

A pipe whose reader has ended, a terminal that was closed, a full disk behind a redirection: the
first failure is the last, all further output is discarded.
"""

import os
import sys
from contextlib import suppress
from typing import TextIO


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print text on standard output, or on another standard stream."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):           # ValueError: the stream has been closed
        give_up(stream)


def give_up(stream: TextIO | None) -> None:
    """Send all that is written into a stream from now on, and what it still holds, nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        number = stream.fileno() if stream is not None else -1
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
