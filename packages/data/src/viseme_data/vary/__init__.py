"""From prepared clips to copies that sound otherwise: `run.vary`.

`disturb` holds one function per disturbance, `recipe` draws which of them a copy gets, `timing`
moves the face along with a changed speed, `clip` makes one copy, `workshop` all of them, here or in
worker processes, and `folder` keeps what is done.
"""
