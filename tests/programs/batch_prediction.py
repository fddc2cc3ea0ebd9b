"""Predicts in batches with a pool of actors; the model is put once and read by all without a copy."""

import numpy as np
import ray
from ray.util import ActorPool


@ray.remote
class Predictor:
    def __init__(self, model):
        self.model = model
        assert not self.model.flags.writeable, "it lies in shared memory"

    def predict(self, batch):
        return batch @ self.model


ray.init(num_cpus=2)
rng = np.random.default_rng(0)
weights = rng.normal(size=(500, 300))
model = ray.put(weights)
batches = [rng.normal(size=(64, 500)) for _ in range(12)]
pool = ActorPool([Predictor.remote(model) for _ in range(2)])
predicted = list(pool.map(lambda actor, batch: actor.predict.remote(batch), batches))
for batch, result in zip(batches, predicted, strict=True):
    assert np.allclose(batch @ weights, result)
print("predicted", sum(map(len, predicted)), "rows")
