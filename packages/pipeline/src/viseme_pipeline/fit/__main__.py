"""`python -m viseme_pipeline.fit`: training alone, without the other commands of `viseme`."""

import sys

from viseme_pipeline.fit.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
