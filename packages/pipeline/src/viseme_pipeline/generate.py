"""`viseme generate`: one film, or a file of jobs."""

from collections.abc import Sequence

from viseme_pipeline.arguments import parse, to_task
from viseme_pipeline.jobs import run_jobs
from viseme_pipeline.make_films import describe, make_film, share_cores


def generate(arguments: Sequence[str]) -> tuple[int, str]:
    """Return exit code and last word of `viseme generate`."""
    given = parse(list(arguments))
    share_cores()
    if given.jobs:
        return run_jobs(given.jobs, list(arguments))
    return 0, describe(make_film(to_task(given)))
