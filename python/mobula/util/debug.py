"""`log_once` and its switches: whether a message that repeats is due. Owns the keys that were seen in this process."""

from __future__ import annotations

import time

__all__ = ["disable_log_once_globally", "enable_periodic_logging", "log_once", "reset_log_once"]

PERIOD = 60.0  # seconds until a key is due again, once periodic logging is on; as in Ray

_seen: dict[str, float] = {}
_disabled = False
_periodic = False


def log_once(key: str) -> bool:
    """True the first time a key is given in this process, then False.

    With `enable_periodic_logging`, True again after 60 seconds; with `disable_log_once_globally`, never True.

    >>> log_once("the cache is cold"), log_once("the cache is cold")
    (True, False)
    """
    if _disabled:
        return False
    now = time.monotonic()
    last = _seen.get(key)
    if last is not None and not (_periodic and now - last > PERIOD):
        return False
    _seen[key] = now
    return True


def reset_log_once(key: str | None = None) -> None:
    """`log_once` gives True again for this key, or for every key.

    >>> log_once("the cache is full"), reset_log_once("the cache is full"), log_once("the cache is full")
    (True, None, True)
    """
    if key is None:
        _seen.clear()
    else:
        _seen.pop(key, None)


def disable_log_once_globally() -> None:
    """From now on `log_once` gives False in this process."""
    global _disabled
    _disabled = True


def enable_periodic_logging() -> None:
    """From now on `log_once` gives True again for a key that was last logged more than 60 seconds ago."""
    global _periodic
    _periodic = True
