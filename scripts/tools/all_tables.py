"""All generated tables: of ekm3d/README.md, ekm3d/memory.md, kernels/traffic.md and resources.md.

    python scripts/tools/all_tables.py             write them
    python scripts/tools/all_tables.py --check     exit code 1 if one is out of date, or if a kernel
                                                   needs more than its table says
"""

import sys

import kernel_resources
import kernel_traffic
import memory_table
import reference_tables


def main(arguments: list[str]) -> int:
    """Write or check every table; return the exit code."""
    return max(reference_tables.main(arguments),
               reference_tables.main(arguments, memory_table.PAGE, {"arrays": memory_table.arrays}),
               reference_tables.main(arguments, kernel_traffic.PAGE, kernel_traffic.TABLES),
               kernel_resources.main(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
