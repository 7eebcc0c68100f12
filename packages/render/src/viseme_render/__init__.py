"""Motion or landmarks to frames.

The mesh renderer, PIRender and TalkFormer will live here, with the autoencoder that they share.
"""
