"""PIRender: a portrait warped and edited by networks that coefficients steer (Ren et al. 2021).

`mapping`, `warping` and `editing` are the networks, `net` joins them, `coefficients` is what drives
them, `model` has their losses in two phases, `renderer` is what users call, `public` reads files of
the authors.
"""
