"""How much memory a process held at most."""

import subprocess
import sys

HELD_KB = '''
import os, resource, sys

def held_kb():
    """The most since this program began; `getrusage` on Linux counts what its parent held, too."""
    if os.path.exists("/proc/self/status"):
        for line in open("/proc/self/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most
'''
"""Code for a process of its own."""


def said_by(code: str, *arguments: object) -> str:
    """Run code that may ask `held_kb()` in a process of its own; return the last line it prints."""
    command = [sys.executable, "-c", HELD_KB + code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[-1]
