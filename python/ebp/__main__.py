"""``python -m ebp`` is the command ``ebp``."""

import sys

from ebp.cli import main

sys.exit(main())
