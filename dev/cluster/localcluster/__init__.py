"""A real Kubernetes on this machine, built from source and run without a container engine.

Only the standard library is used, because this runs before any virtual environment exists.
"""
