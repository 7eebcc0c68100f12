"""Voice to 3DMM motion by diffusion.

FD2Talk's two diffusion transformers and DisentTalk's region-disentangled network will live here,
each with config, net and model; one Lightning module, datamodule and command line serves both.
"""
