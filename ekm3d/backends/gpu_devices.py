"""Choice of a rank's GPU among those of its computer.

A rank takes the GPU of its number on the computer (EKM3D_DEVICE, which a launched process sets for
itself), modulo their number.
"""

import os
from collections.abc import Mapping


def chosen(count: int, environ: Mapping[str, str] = os.environ) -> int | None:
    """Return the number of the GPU out of `count`; None keeps CUDA's default."""
    number = environ.get("EKM3D_DEVICE", "")
    return int(number) % count if number.isdigit() and count else None
