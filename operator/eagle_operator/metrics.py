"""What Prometheus sees of the operator.

Named as controller-runtime, client-go and kube-state-metrics name theirs. Labels are bounded: a namespace and a
schedule at most, never a run or a version; a schedule's series go with it.
"""

from prometheus_client import Counter, Gauge, Histogram

_QUICK = (0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60)
_SLOW = (1, 5, 15, 60, 300, 900, 3600, 7200, 14_400, 43_200, 86_400)
_SCHEDULE = ("namespace", "schedule")

RECONCILES = Counter(
    "eagle_reconcile_total", "Looks at schedules by their result: ok, invalid, transient, bug.", ["result"]
)
RECONCILE_ERRORS = Counter("eagle_reconcile_errors_total", "Looks at schedules that ended in an error.")
RECONCILE_SECONDS = Histogram("eagle_reconcile_time_seconds", "Duration of one look at a schedule.", buckets=_QUICK)

QUEUE_DEPTH = Gauge("eagle_workqueue_depth", "Schedules that wait to be looked at.")
QUEUE_ADDS = Counter("eagle_workqueue_adds_total", "Schedules that began to wait.")
QUEUE_RETRIES = Counter("eagle_workqueue_retries_total", "Looks that are tried again after an error.")
QUEUE_WAITS = Histogram(
    "eagle_workqueue_queue_duration_seconds", "How long a schedule waited to be looked at.", buckets=_QUICK
)
QUEUE_WORK = Histogram(
    "eagle_workqueue_work_duration_seconds", "How long a worker was busy with a schedule.", buckets=_QUICK
)
QUEUE_UNFINISHED = Gauge(
    "eagle_workqueue_unfinished_work_seconds", "Time that workers have spent on what they have not finished."
)
QUEUE_LONGEST = Gauge(
    "eagle_workqueue_longest_running_processor_seconds", "Time that a worker has spent on one schedule, the longest."
)

WRITES = Counter("eagle_writes_total", "Writes to the API server by kind of write and result.", ["write", "result"])
REQUESTS = Counter("eagle_rest_client_requests_total", "Requests to the API server.", ["verb", "code"])
REQUEST_SECONDS = Histogram(
    "eagle_rest_client_request_duration_seconds", "Time until the API server answered.", ["verb"], buckets=_QUICK
)
OBJECTS = Gauge("eagle_mirror_objects", "Objects in the mirror.", ["kind"])
WATCH_AGE = Gauge(
    "eagle_watch_age_seconds", "Time since an event or a list last showed that the watch of a kind delivers.", ["kind"]
)
LEADER = Gauge("eagle_leader", "Whether this operator holds the Lease and works: 1, or stands by: 0.")
CLOCK_JUMPS = Counter("eagle_clock_jumps_total", "Jumps of the wall clock by more than 2 s.")

ADMISSION_SECONDS = Histogram("eagle_admission_pass_seconds", "Duration of one pass of admission.", buckets=_QUICK)
RUNS = Gauge("eagle_active_runs", "Runs by state: running, waiting.", ["state"])
RUN_QUEUE = Gauge("eagle_run_queue_depth", "Runs that wait to be admitted, by the reason.", ["reason"])

RUNS_ENDED = Counter("eagle_runs_total", "Runs that ended, by result and reason.", [*_SCHEDULE, "result", "reason"])
RUN_RETRIES = Counter("eagle_run_retries_total", "Failed attempts after which a retry follows.", [*_SCHEDULE, "reason"])
MISSED_SLOTS = Counter("eagle_missed_slots_total", "Slots that passed without a run.", _SCHEDULE)
RUN_WAIT = Histogram("eagle_run_wait_seconds", "From queueing a run, or its next attempt, to admission.", buckets=_SLOW)
RUN_DURATION = Histogram(
    "eagle_run_duration_seconds", "From the admission of an attempt to its end.", ["result"], buckets=_SLOW
)
LATENESS = Histogram(
    "eagle_schedule_lateness_seconds",
    "From a slot to the admission of its run.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400),
)

RUN_QUEUED = Gauge("eagle_run_queued_timestamp_seconds", "Since when the oldest waiting run waits.", _SCHEDULE)
RUN_ADMITTED = Gauge("eagle_run_admitted_timestamp_seconds", "When the attempt under way was admitted.", _SCHEDULE)
RUN_DEADLINE = Gauge("eagle_run_deadline_timestamp_seconds", "When the attempt under way is ended.", _SCHEDULE)
RUN_HEARTBEAT = Gauge(
    "eagle_run_heartbeat_timestamp_seconds", "When the attempt under way last told of its progress.", _SCHEDULE
)

DATA_ISSUES = Gauge(
    "eagle_data_quality_issues",
    "What the newest run that came to a model found wrong with its data, by severity; of the five gravest findings.",
    [*_SCHEDULE, "severity"],
)
DATA_WARNED_RUNS = Gauge(
    "eagle_data_quality_warned_runs",
    "How many of the newest runs that came to a model had warnings of their data, in a row; of those that are kept.",
    _SCHEDULE,
)
TRAINING_ROWS = Gauge("eagle_training_rows", "Rows that the newest run's model learned from.", _SCHEDULE)
TRAINING_POSITIVE_ROWS = Gauge(
    "eagle_training_positive_rows", "Those of eagle_training_rows that are before a failure.", _SCHEDULE
)
TRAINING_FAILURES = Gauge("eagle_training_failures", "Failures in the data of the newest run.", _SCHEDULE)
TRAINING_ASSETS = Gauge("eagle_training_assets", "Assets in the data of the newest run.", _SCHEDULE)
TRAINING_DATA_END = Gauge(
    "eagle_training_data_end_timestamp_seconds", "The newest time in the data of the newest run.", _SCHEDULE
)


class QueueMetrics:
    """Counts what the work queue does."""

    def added(self) -> None:
        """A key began to wait."""
        QUEUE_ADDS.inc()

    def retried(self) -> None:
        """A key is to be tried again after a failure."""
        QUEUE_RETRIES.inc()

    def begun(self, waited: float) -> None:
        """A worker took a key."""
        QUEUE_WAITS.observe(waited)

    def finished(self, worked: float) -> None:
        """A worker is done with a key."""
        QUEUE_WORK.observe(worked)
