"""One thing that is wrong with the data."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["Info", "Warning", "Error"]
_GRAVEST_FIRST: dict[Severity, int] = {"Error": 0, "Warning": 1, "Info": 2}
_MOST_ISSUES = 100


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One finding; `count` in rows, samples or assets, as the issue says.

    `share` is what part of all of them that is; `advice` is a sentence for the plant's people, always there for an
    Error.
    """

    column: str
    issue: str
    severity: Severity
    count: int
    share: float | None = None
    advice: str = ""

    def at_least(self, severity: Severity) -> "Issue":
        """The same, as grave as given if it is less so."""
        return replace(self, severity=min(self.severity, severity, key=_GRAVEST_FIRST.__getitem__))


def counted(column: str, issue: str, severity: Severity, count: int, total: int, advice: str = "") -> Issue:
    """A finding that is a part of a total."""
    return Issue(column=column, issue=issue, severity=severity, count=count, share=count / max(total, 1), advice=advice)


def sorted_issues(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """Those that were found at all, the gravest first, at most 100."""
    found = [issue for issue in issues if issue.count > 0]
    found.sort(key=lambda issue: (_GRAVEST_FIRST[issue.severity], -issue.count, issue.column))
    return tuple(found[:_MOST_ISSUES])
