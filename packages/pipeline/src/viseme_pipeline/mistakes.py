"""What a user can mend: told in one sentence, wherever it comes from."""

_KINDS = (ValueError, OSError, RuntimeError, ImportError, MemoryError)
# Their own errors, which are none of these, speak of files that they cannot use. Not imported:
# what only prints a help text loads neither.
_LIBRARIES = ("av", "cv2")


def is_mendable(error: Exception) -> bool:
    """Return whether an error speaks of what was given, of the disk, memory, or what is missing."""
    library = type(error).__module__.partition(".")[0]
    return isinstance(error, _KINDS) or library in _LIBRARIES


def sentence(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
