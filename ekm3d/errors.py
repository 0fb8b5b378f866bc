"""Errors that a user may see: one base class, which the command line catches once.

`exit_code` is what a command that ends with the error returns: 2 where something in the input or
the set-up is wrong and nothing was written, 3 where the computation itself failed.
"""


class Ekm3dError(Exception):
    """Base of all errors with a message for the user."""

    exit_code = 2


class InputError(Ekm3dError, ValueError):
    """Something in the input is wrong; the message names where, and what would be right."""


class BackendError(Ekm3dError):
    """The backend that was asked for cannot run; the message says why and what would help."""


class LaunchError(Ekm3dError, RuntimeError):
    """The processes of a job cannot find one another; the message says what would be right."""


class OutputError(Ekm3dError, ValueError):
    """Results cannot be written where they were to go, or what is there cannot be read."""


class ConvergenceError(Ekm3dError, RuntimeError):
    """The computation failed; the message says what was being solved, when and where."""

    exit_code = 3
