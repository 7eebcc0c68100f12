"""The metrics of the four papers: numbers out.

`functional` holds metrics as functions of tensors, `metrics` the same as torchmetrics classes,
`networks` the public networks that they need, `syncnet` our own judge of lip sync, `run` the
command `viseme-eval`. Import from these: a metric needs no network's code, a network no reader of
media.
"""
