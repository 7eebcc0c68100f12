"""How a command ends that cannot go on: by one sentence, if that tells a user what to mend."""

import logging
import sys
from typing import NoReturn

from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

logger = logging.getLogger(__name__)

EXIT_CODE = 2


def is_mendable(error: Exception) -> bool:
    """Return whether an error is for the user, whom its message tells what is wrong.

    Files that cannot be read, the Trainer's settings, and what code of this project raises itself:
    its ValueErrors and ImportErrors are written to be read. The same errors out of a library's
    inside are a programmer's, and want their traceback.
    """
    if isinstance(error, OSError | MisconfigurationException):
        return True
    is_sentence = isinstance(error, ValueError | ImportError)
    return is_sentence and not isinstance(error, ModuleNotFoundError) and _is_raised_here(error)


def refuse(error: Exception, *, on_every_process: bool = False) -> NoReturn:
    """End the program by the error's message and exit code 2.

    Args:
        error: What happened; `logging` at debug level shows its traceback.
        on_every_process: Whether processes other than rank zero speak too: what happens to all
            alike is said once, but what happens amid a training may happen to one alone.
    """
    logger.debug("refused", exc_info=error)
    rank = getattr(rank_zero_only, "rank", 0)
    if rank == 0 or on_every_process:
        where = f" (process {rank})" if rank else ""
        sys.stderr.write(f"error{where}: {error}\n")
    raise SystemExit(EXIT_CODE) from error


def _is_raised_here(error: Exception) -> bool:
    """Return whether the innermost frame belongs to a package of this project."""
    place = error.__traceback__
    if place is None:
        return False
    while place.tb_next is not None:
        place = place.tb_next
    return str(place.tb_frame.f_globals.get("__name__", "")).startswith("viseme_")
