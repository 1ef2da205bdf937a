"""``python -m askew``."""

from __future__ import annotations

import sys

from askew.cli import main

if __name__ == "__main__":
    sys.exit(main())
