"""`python -m viseme_motion`: what `viseme-motion` is too."""

from viseme_motion.cli import main

main()
