"""Frames to latents and back: what latent diffusion works on.

    autoencoder = Autoencoder.from_checkpoint("runs/autoencoder/autoencoder/small")
    latents_BZhw = autoencoder.encode(frames_B3HW)  # 256 px -> 64 x 64

`net` is what renderers use, `sources` reads weights of others, `losses` and `model` train one.
"""
