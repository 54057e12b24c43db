"""`python -m holdfast.runner`: what a Job's container runs."""

import sys

from holdfast.runner.entry import main

sys.exit(main())
