"""Numbers as the API writes them: decimal text, never NaN or infinite."""

import math
from collections.abc import Mapping

from eagle_contract.api.version import Metric


def decimal(value: float) -> str:
    """The number with about six significant digits. Raises ValueError for NaN and infinities."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be reported")
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}" if 1e-6 <= abs(value) < 1e6 else f"{value:.3e}".replace("e+", "e")


def metric_list(values: Mapping[str, float]) -> list[Metric]:
    """Figures by their public names, those that are no numbers left out."""
    return [Metric(name=name, value=decimal(value)) for name, value in values.items() if math.isfinite(value)]
