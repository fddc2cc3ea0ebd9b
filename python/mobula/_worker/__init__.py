"""What runs in a worker process, and the zygote that makes workers. Internal: nothing here is stable."""
