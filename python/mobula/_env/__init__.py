"""What a runtime environment is on disk: copies of folders, installed packages, and how a new process takes them on.

Owns the folder `env` of a session (`package`), the cache of virtual environments (`cache`, `venv`) and a worker's first steps
with them (`enter`). Imports nothing that speaks to the core: the driver, workers and the core's helper process use it alike.
"""
