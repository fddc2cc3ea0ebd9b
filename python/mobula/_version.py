"""The version of the package: the one place it is written in Python; the build and the core are checked against it."""

__version__ = "0.1.0"
