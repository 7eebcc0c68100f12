"""`python -m viseme_data` is `viseme-data`."""

import sys

from viseme_data.cli import main

if __name__ == "__main__":
    sys.exit(main())
