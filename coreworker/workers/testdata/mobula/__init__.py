"""Stands in for the package's own __init__, so that the pool's tests need no dependency of the package: the rest is real."""

import os

__path__ = [os.environ["MOBULA_PACKAGE"]]
