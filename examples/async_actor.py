"""An async actor whose method catches asyncio.CancelledError: Ray's program, with another import line.

A running coroutine needs no flag: its asyncio task is canceled at the next `await`, and `try`, `except` and `finally`
work as they do without actors. `get` raises although the method swallowed the error and returned.
"""

import asyncio
import sys
import time

import mobula as ray


@ray.remote
class AsyncActor:
    def __init__(self):
        self.log = []

    async def nap(self):
        try:
            await asyncio.sleep(5)
            self.log.append("slept")
        except asyncio.CancelledError:
            print("the nap was canceled")
            self.log.append("canceled")
        finally:
            self.log.append("finally")

    async def history(self):
        return self.log


def main():
    actor = AsyncActor.remote()
    ray.get(actor.history.remote())  # its process is up
    began = time.monotonic()
    ref = actor.nap.remote()

    # A second later the coroutine is surely waiting in its sleep.
    time.sleep(1)
    ray.cancel(ref)
    try:
        ray.get(ref)
        print("get returned")
        return 1
    except ray.exceptions.RayError as error:
        print(f"get raised {type(error).__name__} after {time.monotonic() - began:.1f} s")

    history = ray.get(actor.history.remote())
    print("the actor lives:", history)
    return 0 if history == ["canceled", "finally"] else 1


if __name__ == "__main__":
    sys.exit(main())
