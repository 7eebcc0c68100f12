"""How much memory a benchmark took at most."""

import resource
import sys
from pathlib import Path


def held_mb() -> float:
    """Return the most memory that this process has held since its program began, in MB.

    On Linux not what `getrusage` says: to that, a process also held what its parent did when it
    started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
