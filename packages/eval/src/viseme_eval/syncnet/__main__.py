"""`python -m viseme_eval.syncnet`."""

from viseme_eval.syncnet.cli import main

if __name__ == "__main__":
    main()
