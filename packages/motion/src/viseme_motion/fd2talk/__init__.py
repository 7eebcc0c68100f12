"""FD2Talk's motion stage: two diffusion transformers, for expression and for pose."""
