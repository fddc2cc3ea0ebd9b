"""Counts words: maps split their text by the first letter, reduces merge what is theirs."""

import collections
import zlib

import ray

REDUCERS = 3
TEXTS = ["the quick brown fox", "jumps over the lazy dog", "the dog sleeps", "a fox and a dog"] * 5


@ray.remote(num_returns=REDUCERS)
def count(texts):
    parts = [collections.Counter() for _ in range(REDUCERS)]
    for text in texts:
        for word in text.split():
            parts[zlib.crc32(word.encode()) % REDUCERS][word] += 1
    return parts


@ray.remote
def merge(*parts):
    return sum(parts, collections.Counter())


ray.init(num_cpus=2)
mapped = [count.remote(TEXTS[i::4]) for i in range(4)]
reduced = ray.get([merge.remote(*[parts[i] for parts in mapped]) for i in range(REDUCERS)])
words = sum(reduced, collections.Counter())
assert words == collections.Counter(" ".join(TEXTS).split())
assert sum(map(len, reduced)) == len(words), "a word belongs to one reducer"
print("most common:", words.most_common(1))
