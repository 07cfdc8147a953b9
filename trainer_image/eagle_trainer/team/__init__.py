"""Who learns: this process alone, or this one with helpers that hold a part of the rows each.

Worker 0 leads. It alone reads the data, makes every decision, judges and publishes. The others get their rows from it,
binned, and grow the same trees in step with it (LightGBM's data-parallel learner).
"""
