"""``python -m mpk_tui`` is the command ``mpk-tui``."""

import sys

from mpk_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())
