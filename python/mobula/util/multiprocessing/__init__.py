"""`multiprocessing.Pool` over actors, under Ray's names. JoinableQueue is the standard one, as in Ray: between processes that
`multiprocessing` starts, and not between actors, which have `mobula.util.queue`."""

from multiprocessing import JoinableQueue, TimeoutError  # noqa: A004 - the name that users of Pool catch

from mobula.util.multiprocessing.pool import Pool

__all__ = ["JoinableQueue", "Pool", "TimeoutError"]
