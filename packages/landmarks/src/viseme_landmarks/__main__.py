"""`python -m viseme_landmarks`: what `viseme-landmarks` is too."""

from viseme_landmarks.cli import main

main()
