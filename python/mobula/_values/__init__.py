"""Ray's value format in small pieces; ``mobula.serialization`` puts them together and is the only user.

An object is (metadata, data). The metadata says what the data is: ``RAW`` bytes, ``XLANG`` msgpack, ``PYTHON`` msgpack
with a pickle, ``ACTOR_HANDLE``, or the decimal number of an error. ``docs/values.md`` has the layout byte by byte.
Nothing here speaks to the core, and nothing here imports numpy, protobuf or cloudpickle before it is needed.
"""
