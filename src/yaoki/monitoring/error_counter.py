"""One counter for all errors, whichever layer they were met in."""

from prometheus_client import CollectorRegistry, Counter

from yaoki.errors import KINDS


class ErrorCounter:
    """`yaoki_errors_total`, with the category and severity that the table of kinds gives."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._errors = Counter(
            "yaoki_errors_total", "Errors met, healed ones too.", ["kind", "category", "severity"], registry=registry
        )

    def count(self, kind: str | None) -> None:
        """Count an error of a kind; a kind that the table does not know is not counted."""
        row = KINDS.get(kind or "")
        if row is not None:
            self._errors.labels(row.name, row.category.value, row.severity.value).inc()
