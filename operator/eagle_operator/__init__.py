"""The operator: turns TrainingSchedules into runs, runs into versions, and versions into service."""
