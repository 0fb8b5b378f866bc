"""`python -m ekm3d`: the command line."""

import sys

from ekm3d.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
