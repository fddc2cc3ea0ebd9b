"""What of Ray's private parts pure-Python code on Ray Core asks for, where `import ray` is mobula: `mobula.as_ray` says which
module stands for which. Owns those few names. The rest of `ray._private` is about Ray's own processes, and is refused.
"""
