"""The images of the project, built on this machine and brought to where pods find them.

Only the standard library is used, because this runs before any virtual environment exists.
"""
