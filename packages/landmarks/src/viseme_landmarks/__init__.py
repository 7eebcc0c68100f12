"""Voice to lip and jaw landmarks.

The completion transformer of the landmark diffusion model (TalkFormer, Eq. 2) will live here.
"""
