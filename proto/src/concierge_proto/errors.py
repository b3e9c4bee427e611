"""Errors, sorted by what the caller should do."""


class ConciergeError(Exception):
    """Something went wrong; the message names the thing and the remedy."""


class Temporary(ConciergeError):
    """Try again later with the same input.

    Args:
        message: What happened, and to whom.
        delay: Seconds to wait before the next try.
    """

    def __init__(self, message: str, delay: float = 1.0) -> None:
        super().__init__(message)
        self.delay = delay


class Permanent(ConciergeError):
    """Trying again changes nothing: the input or the configuration must change."""


class Malformed(Permanent):
    """A body or a name that does not follow the contract."""


class TooLarge(Permanent):
    """A message that the bus would refuse."""


def cause(error: BaseException) -> BaseException:
    """Return what task groups have wrapped: the first of ours, else the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    found = [cause(one) for one in error.exceptions]
    return next((one for one in found if isinstance(one, ConciergeError)), found[0])
