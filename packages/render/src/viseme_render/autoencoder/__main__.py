"""`python -m viseme_render.autoencoder`."""

from viseme_render.autoencoder.cli import main

if __name__ == "__main__":
    main()
