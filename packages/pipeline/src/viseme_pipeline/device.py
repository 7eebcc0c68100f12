"""Where networks run."""

import torch


def checked_device(name: str | None) -> str:
    """Return a device that is there, by default the fastest.

    Raises:
        ValueError: If it is not there.
    """
    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name!r} cannot be used here ({reason}); try cpu") from error
    return name
