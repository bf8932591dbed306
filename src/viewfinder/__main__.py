"""``python -m viewfinder`` is the command ``viewfinder``."""

import sys

from viewfinder.cli import main

sys.exit(main())
