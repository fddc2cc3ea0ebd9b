"""A plain actor whose method asks now and then whether it was canceled: Ray's program, with another import line.

Nothing interrupts the method. It sees the flag at its next look, keeps the actor's state consistent, and returns;
`get` raises TaskCancelledError all the same, because the caller had given the result up.
"""

import sys
import time

import mobula as ray


@ray.remote
class SyncActor:
    def __init__(self):
        self.canceled = False
        self.polls = 0

    def long_running_method(self):
        for _ in range(100):
            if ray.get_runtime_context().is_canceled():
                self.canceled = True
                print("canceled: tidying up")
                return "canceled"
            self.polls += 1
            time.sleep(0.1)
        return "completed"

    def status(self):
        return self.canceled, self.polls


def main():
    actor = SyncActor.remote()
    ray.get(actor.status.remote())  # its process is up
    began = time.monotonic()
    ref = actor.long_running_method.remote()

    # The method would take 10 s. A second later it is surely running.
    time.sleep(1)
    ray.cancel(ref)
    try:
        print("get returned", ray.get(ref))
        return 1
    except ray.exceptions.TaskCancelledError:
        print(f"get raised TaskCancelledError after {time.monotonic() - began:.1f} s")

    canceled, polls = ray.get(actor.status.remote())
    print(f"the actor lives: canceled={canceled} after {polls} polls")
    return 0 if canceled and 0 < polls < 100 else 1


if __name__ == "__main__":
    sys.exit(main())
