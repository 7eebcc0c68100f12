import subprocess
import sys

import pytest

_FAULTS = """
import resource
import numpy as np
from viseme_data.prepare.allocator import keep_freed_memory
{call}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def fill():
    # Some at a time, as decoders hold them: what is freed last lies at the end of the heap.
    pictures = [np.ones(10**6, np.uint8) for _ in range(8)]
fill()
before = faults()
for _ in range(50):
    fill()
print(faults() - before)
"""


def _faults(call: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", _FAULTS.format(call=call)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tunes glibc")
def test_pictures_that_follow_each_other_share_memory_that_is_never_cleared_again() -> None:
    # Eight pictures are 1,954 pages.
    assert _faults("") > 10 * 1954
    assert _faults("keep_freed_memory()") < 1954
