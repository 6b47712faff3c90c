"""``python -m exval``."""

import sys

from exval.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
