"""What this layer counts about its calls. They are exported by the HTTP server of `handlers`."""

from prometheus_client import Counter, Histogram

REQUEST_SECONDS = Histogram(
    "holdfast_kube_request_duration_seconds",
    "Time until the API server's whole answer was read.",
    ["verb", "kind"],
    buckets=(0.01, 0.05, 0.25, 1, 5),
)
REQUEST_ERRORS = Counter(
    "holdfast_kube_request_errors_total", "Calls to the API server that did not succeed, by error.", ["verb", "error"]
)
EVENTS_LOST = Counter("holdfast_events_lost_total", "Kubernetes Events that could not be written.")
