"""What stands for `ray.data`: names that libraries import with their Ray engine and that need Ray Data only when they are called.

Ray Data is not there. Every other name of it is refused where it is asked for.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["from_pandas_refs"]


def from_pandas_refs(dfs: Any, override_num_blocks: int | None = None) -> NoReturn:
    """Raises NotImplementedError: a Dataset is Ray Data's."""
    raise NotImplementedError(
        "mobula has no ray.data, so no Dataset can be made of these frames: get() them and join them with pandas.concat(), or, "
        "of a modin frame, call to_pandas()"
    )
