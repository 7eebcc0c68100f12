"""`python -m viseme_pipeline`: the same as `viseme`."""

import sys

from viseme_pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
