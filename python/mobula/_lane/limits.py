"""What one stream grants its peer, and the sizes beyond which it refuses instead of allocating."""

from __future__ import annotations

from typing import NamedTuple

KIB = 1024
MIB = 1024 * KIB


class Limits(NamedTuple):
    """All sizes in bytes.

    >>> from mobula._lane import Limits
    >>> Limits().max_message == 512 * 1024 * 1024
    True
    """

    window: int = 8 * MIB
    """Receive window. Large, so that a WINDOW_UPDATE is one write per half of it and not one per message."""

    max_message: int = 512 * MIB
    """Of one message, sent or received."""

    max_header_list: int = 64 * KIB
    """Decoded size of one header list as RFC 9113 §6.5.2 counts it; also the bound of its encoded form."""

    max_answers: int = 256 * KIB
    """Control frames (answers to PING and SETTINGS) the peer has caused and does not read."""

    max_stash: int = 1024 * MIB
    """What may arrive, undelivered, while a send waits for the peer."""


DEFAULT_LIMITS = Limits()
