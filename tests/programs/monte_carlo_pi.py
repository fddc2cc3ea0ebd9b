"""Estimates pi by random points; an actor knows how far all the tasks are."""

import math
import random

import ray


@ray.remote
class Progress:
    def __init__(self, total):
        self.total = total
        self.done = {}

    def report(self, task, done):
        self.done[task] = done

    def fraction(self):
        return sum(self.done.values()) / self.total


@ray.remote
def sample(task, count, progress):
    inside = 0
    rng = random.Random(task)
    for number in range(1, count + 1):
        inside += math.hypot(rng.random(), rng.random()) <= 1
        if number % (count // 5) == 0:
            progress.report.remote(task, number)
    return inside


TASKS, COUNT = 6, 20_000
ray.init(num_cpus=2)
progress = Progress.remote(TASKS * COUNT)
results = [sample.remote(task, COUNT, progress) for task in range(TASKS)]
seen = 0.0
while True:
    fraction = ray.get(progress.fraction.remote())
    assert fraction >= seen, "progress never goes back"
    seen = fraction
    if fraction == 1:
        break
pi = 4 * sum(ray.get(results)) / (TASKS * COUNT)
assert abs(pi - math.pi) < 0.05, pi
print("pi is about", round(pi, 1))
