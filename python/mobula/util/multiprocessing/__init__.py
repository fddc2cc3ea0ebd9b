"""`multiprocessing.Pool` over actors, under Ray's names. JoinableQueue and the rest of the standard module are left out."""

from multiprocessing import TimeoutError  # noqa: A004 - the name that users of Pool catch

from mobula.util.multiprocessing.pool import Pool

__all__ = ["Pool", "TimeoutError"]
