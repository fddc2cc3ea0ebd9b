"""Makes `tests/` importable and loads the teardown checks for every suite here."""

pytest_plugins = ["teardown"]
