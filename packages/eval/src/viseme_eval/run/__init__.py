"""The command's work: pairs of videos in, a report out.

`pairing` finds what belongs together, `faces` and `reading` give aligned crops of it chunk by
chunk, `measures` turn them into numbers, `evaluate` is the loop, `page` and `tables` show what came
out; `compare` sets reports side by side, `study` asks people. Only this folder reads media.
"""
