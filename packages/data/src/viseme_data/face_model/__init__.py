"""How the built-in face model is made: a prior by hand, and what landmarks of people teach.

`prior` says what is known before anybody was seen, `people` reads landmarks, `estimate` explains
one person's, `learn` everybody's, `shapes` holds the algebra of mirror-symmetric deformations;
`measure` and `card` tell how well the result does. `viseme_data.build_face_model` joins them.
"""
