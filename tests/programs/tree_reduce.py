"""Sums by a tree of tasks, and by supervisors that have workers of their own."""

import ray


@ray.remote
def add(a, b):
    return a + b


@ray.remote
def tree_sum(values):
    if len(values) == 1:
        return values[0]
    middle = len(values) // 2
    return sum(ray.get([tree_sum.remote(values[:middle]), tree_sum.remote(values[middle:])]))


@ray.remote(num_cpus=0)
class Worker:
    def work(self, values):
        return sum(values)


@ray.remote(num_cpus=0)
class Supervisor:
    def __init__(self, workers):
        self.workers = [Worker.remote() for _ in range(workers)]

    def work(self, values):
        return sum(ray.get([w.work.remote(values[i :: len(self.workers)]) for i, w in enumerate(self.workers)]))


ray.init(num_cpus=2)
values = list(range(1, 33))
refs = [ray.put(value) for value in values]
while len(refs) > 1:
    refs = [*refs[2:], add.remote(refs[0], refs[1])]
by_refs = ray.get(refs[0])
by_nesting = ray.get(tree_sum.remote(values[:8]))
supervisors = [Supervisor.remote(2) for _ in range(2)]
by_actors = sum(ray.get([s.work.remote(values[i::2]) for i, s in enumerate(supervisors)]))
assert (by_refs, by_nesting, by_actors) == (sum(values), sum(values[:8]), sum(values))
print("three trees agree:", by_refs)
