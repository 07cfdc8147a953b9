"""What benches say of a row of measurements."""

from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least that share of them does not exceed."""
    ordered = sorted(values)
    place = max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)
    return ordered[min(place, len(ordered) - 1)]


def told(name: str, values: Sequence[float], unit: str = "s") -> str:
    """One line: median, 99th percentile and the largest."""
    middle, high, most = quantile(values, 0.5), quantile(values, 0.99), max(values)
    return f"  {name:<44} p50 {middle:7.3f} {unit}   p99 {high:7.3f} {unit}   max {most:7.3f} {unit}   ({len(values)})"
