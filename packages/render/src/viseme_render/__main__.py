"""`python -m viseme_render`: what `viseme-render` is too."""

from viseme_render.cli import main

main()
