"""What Prometheus sees of the operator itself."""

from prometheus_client import Counter, Gauge, Histogram

RECONCILES = Counter("eagle_reconcile_total", "Reconciles of schedules by their result.", ["result"])
RECONCILE_SECONDS = Histogram(
    "eagle_reconcile_seconds", "Duration of one reconcile.", buckets=(0.005, 0.02, 0.1, 0.5, 2, 10)
)
QUEUE_DEPTH = Gauge("eagle_workqueue_depth", "Schedules that wait to be looked at.")
RUNS = Gauge("eagle_runs", "Runs by state: running, waiting.", ["state"])
WRITES = Counter("eagle_writes_total", "Writes to the API server by kind of write and result.", ["write", "result"])
OBJECTS = Gauge("eagle_mirror_objects", "Objects in the mirror.", ["kind"])
