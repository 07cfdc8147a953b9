"""The steps of the demo, in the words of its reader."""

STEPS = (
    "Python environment",
    "Kubernetes",
    "Images of operator, trainer and server",
    "The operator",
    "Two organizations, each with a database of real data",
    "Their schedules",
    "First models: trained, judged, put into service",
    "A second version, while a client keeps asking",
    "Rolling back, while the client keeps asking",
    "What there is now, and how to go on",
)
PREPARED = 3
"""So many steps are done before this project's own Python environment is there."""
