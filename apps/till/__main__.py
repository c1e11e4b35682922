"""`python -m till`."""

import sys

from house.program import run

from .program import APPLICATION

sys.exit(run(APPLICATION))
