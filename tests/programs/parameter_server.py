"""A linear model, trained by workers that send gradients to a parameter server: in lock step, then each at its own pace."""

import numpy as np
import ray

TRUTH = np.array([2.0, -3.0, 0.5, 1.0])


@ray.remote
class Server:
    def __init__(self, rate):
        self.weights = np.zeros(len(TRUTH))
        self.rate = rate

    def apply(self, *gradients):
        self.weights = self.weights - self.rate * np.mean(gradients, axis=0)
        return self.weights

    def get(self):
        return self.weights


@ray.remote
class Worker:
    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(20_000, len(TRUTH)))
        self.y = self.x @ TRUTH

    def gradient(self, weights):
        return self.x.T @ (self.x @ weights - self.y) / len(self.y)


ray.init(num_cpus=2)
workers = [Worker.remote(seed) for seed in range(2)]

server = Server.remote(0.5)
weights = server.get.remote()
for _ in range(20):
    weights = server.apply.remote(*[worker.gradient.remote(weights) for worker in workers])
lock_step = ray.get(weights)
assert np.allclose(lock_step, TRUTH, atol=1e-3), lock_step

server = Server.remote(0.3)
weights = server.get.remote()
running = {worker.gradient.remote(weights): worker for worker in workers}
for _ in range(60):
    (gradient,), _ = ray.wait(list(running))
    worker = running.pop(gradient)
    running[worker.gradient.remote(server.apply.remote(gradient))] = worker
own_pace = ray.get(server.get.remote())
assert np.allclose(own_pace, TRUTH, atol=1e-2), own_pace
print("both ways found", [float(value) for value in np.round(own_pace, 1)])
