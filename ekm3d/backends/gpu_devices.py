"""The GPU that a process takes among those of its computer.

It takes the GPU of its number on the computer (EKM3D_DEVICE, which a launched process sets for
itself), counted round where there are fewer.
"""

import os


def chosen(count, environ=os.environ):
    """Number of the GPU that this process takes out of `count`; None leaves it as it is."""
    number = environ.get("EKM3D_DEVICE", "")
    return int(number) % count if number.isdigit() and count else None
