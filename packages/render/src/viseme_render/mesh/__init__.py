"""The mesh renderer: a portrait moved by its own fitted mesh, without weights.

`viseme_face.sheet` covers the picture with triangles and moves them with the head, `eyes` and
`mouth` are laid over, `light` reads the photograph's light, `portrait` draws, `renderer` is what
users call.
"""
