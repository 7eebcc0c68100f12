"""Landmarks and a template video to frames: the lower half of a face drawn anew by diffusion.

    renderer = TalkFormerRenderer.from_checkpoint("runs/render/talkformer/small", preset="fast")
    clips = renderer(looped(template, landmarks.num_frames), landmarks)

`layers` holds Eq. 3 to 5, `net` the denoiser around them, `model` the loss (Eq. 1), `film` the
drawing of films window by window, `blend` their way back into the template.
"""
