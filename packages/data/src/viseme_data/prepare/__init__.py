"""From a folder of videos to prepared clips: `run.prepare`, one small function per step.

A video passes through `tracks` (who is where), `clip` (one person's landmarks, motion and sound),
`crops` (pictures and their quality) and `source` (all of it, to rows); `workers` does many at a
time, and `folder` keeps what is done.
"""
