"""Errors with a message for the user: one base class, which the command line catches once.

`exit_code` is returned by a command that ends with the error: 2 where the input or the set-up is
wrong and nothing was written, 3 where the computation itself failed.
"""

from typing import Any


class Ekm3dError(Exception):
    """Base of all errors with a message for the user."""

    exit_code: int = 2


class InputError(Ekm3dError, ValueError):
    """A mistake in the input; the message names its place and the remedy."""


class BackendError(Ekm3dError):
    """The chosen backend cannot run; the message gives the reason and the remedy."""


class LaunchError(Ekm3dError, RuntimeError):
    """The processes of a job cannot communicate; the message gives the remedy."""


class OutputError(Ekm3dError, ValueError):
    """Results cannot be written to their directory, or cannot be read from it."""


class ConvergenceError(Ekm3dError, RuntimeError):
    """The computation failed; the message names the equation, the time and the place.

    repeatable: a shorter step may do better; worst: padded array whose largest entry is the place,
    where the message has none.
    """

    exit_code = 3
    repeatable = True

    def __init__(self, *arguments: Any, worst: Any = None) -> None:
        super().__init__(*arguments)
        self.worst = worst


class PlanError(ConvergenceError):
    """The computation failed, and no shorter step can mend it: the plan must be another."""

    repeatable = False
