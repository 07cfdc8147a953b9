"""The demo: two organizations with real data, from an empty machine to two models in service.

Its pieces (installing, loading a database, ordering runs, asking for predictions) are what end-to-end tests need too,
so each is a module of its own that says nothing to the reader and raises StepError; only `walkthrough` tells the story.
"""
