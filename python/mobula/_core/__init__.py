"""The session client: everything this Python process says to mobula-core goes through here.

Nothing in this package is a stable interface. It owns the lanes, the numbering of mutations, the maps of shared memory
and the one helper thread of a process; it refuses to know what a remote function or an actor handle looks like.
"""
