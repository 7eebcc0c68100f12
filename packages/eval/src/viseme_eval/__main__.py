"""`python -m viseme_eval` is `viseme-eval`."""

import sys

from viseme_eval.cli import main

if __name__ == "__main__":
    sys.exit(main())
