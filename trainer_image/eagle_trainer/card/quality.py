"""What is wrong with the data, and what to do about it."""

from collections.abc import Mapping, Sequence

from eagle_trainer.card.content import CardInput, Finding
from eagle_trainer.card.markup import Markup, cell, element, name_cell, table
from eagle_trainer.card.wording import number, short

ADVICE: Mapping[str, str] = {
    "Empty": "No usable value at all: mend the column, or take it out of source.continuousColumns.",
    "Missing": "Does the sensor or its connection fail at times? features.missing: Skip uses windows with holes.",
    "NotFinite": "Infinite values are taken for missing: look for divisions by zero where the value is made.",
    "Stuck": "It says the same all the time: check the sensor, or take it out of source.continuousColumns.",
    "StandsStill": "It stands still for long stretches: is the sensor or its connection frozen then?",
    "Outliers": "Look whether they are true; sensor faults should arrive as missing, not as extreme values.",
    "ErrorCode": "One extreme value comes again and again, like a code for a fault: it should arrive as missing.",
    "AbsentOnAssets": "Some assets do not have this sensor: train them apart, or leave the sensor out.",
    "NothingMoves": "No sensor changes: is this the right table, and the right time?",
    "NoTime": "Rows without a time are left out: see why they are written.",
    "DuplicateRows": "The same asset and moment more than once: the last row counts. See why they are written twice.",
    "DuplicateValues": "The same asset, moment and tag more than once: the last value counts.",
    "OutOfOrder": "Rows arrive late: source.telemetry.latencySeconds says how late they may.",
    "Gaps": "No data for more than one sample period: a gap longer than the longest window begins a new stretch.",
    "Thinned": "More rows than one per source.telemetry.samplePeriodSeconds: only the last of each period is used.",
    "SlowRows": "Rows come more seldom than source.telemetry.samplePeriodSeconds says.",
    "OldData": "The newest row is old: does the collection still run?",
    "NoAsset": "Rows without an asset are left out: see why they are written.",
    "SilentAssets": "These assets say nothing any more: are they out of use, or is their connection broken?",
    "ShortAssets": "These assets have less data than one window, and are not learned from.",
    "UnknownAssets": "These names are not among the assets of the telemetry: are they written in another way?",
    "AttributeMissing": "Some assets have no value here: fill it in, or take the column out of source.attributes.",
    "AttributeIdentifies": "Nearly every asset has a value of its own: the model may learn them by heart. Take it out.",
}
_OTHERWISE = "Look at these rows in the source."


def findings_of(card: CardInput) -> Sequence[Finding]:
    """All that was found; what the summary has where nobody gave more."""
    if card.findings is not None:
        return card.findings
    return [
        Finding(column=issue.column, issue=issue.issue, severity=issue.severity, count=issue.count)
        for issue in card.data.quality_issues
    ]


def findings(card: CardInput) -> Markup:
    """Column, finding, how bad, how many rows, and what to do."""
    found = findings_of(card)
    if not found:
        return element("p", "No column has missing, stuck, infinite or outlying values worth a note.")
    rows = [
        (
            name_cell(short(item.column)),
            cell(_words(item.issue)),
            cell(element("span", item.severity, class_=f"tag {item.severity.lower()}")),
            cell(number(item.count), class_="count"),
            cell(short(" ".join(filter(None, (item.detail, item.advice or ADVICE.get(item.issue, _OTHERWISE)))), 400)),
        )
        for item in found
    ]
    heads = ["Column", "Finding", "Severity", "Rows", "What to do"]
    return table(heads, rows, kind="plain findings", caption="Findings in the data")


def _words(issue: str) -> str:
    """`OutOfOrder` as "Out of order"."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in issue).strip()
    return spaced[:1].upper() + spaced[1:]
