"""The two square plots: precision against recall, and probability given against what happened. Inline SVG."""

from collections.abc import Sequence

import numpy as np

from eagle_trainer import metrics
from eagle_trainer.card.markup import Markup, element, together
from eagle_trainer.card.wording import counted, percent, score
from eagle_trainer.series import Floats, Integers

_LEFT, _TOP, _SIDE, _BOTTOM = 54.0, 14.0, 268.0, 44.0
_WIDTH, _HEIGHT = _LEFT + _SIDE + 14.0, _TOP + _SIDE + _BOTTOM
_CURVE_POINTS = 240
_BINS = 10
_FEW_ROWS = 30
"""A bin with fewer rows says little: its dot is hollow."""
_ROWS_HEIGHT = 30.0
"""Of the highest of the bars that say how many rows there are."""


def precision_recall(probability: Floats, target: Floats, *, threshold: float) -> Markup:
    """The curve, the share of positive rows as the floor, and the point at which the model alarms."""
    precision, recall, cut = metrics.Ranking(probability, target).curve()
    chosen = _thinned(recall)
    floor = float(target.mean())
    path = _steps(recall[chosen], precision[chosen])
    parts = [
        element("path", d=f"{path}V{_y(0)}H{_x(0)}Z", class_="fill"),
        _line(0, floor, 1, floor, "floor"),
        _label(0.02, floor, f"by chance {percent(floor)}", "start", above=floor < 0.9),
        element("path", d=path, class_="curve"),
    ]
    alarming = int(np.count_nonzero(cut >= threshold))
    described = f"Average precision {score(metrics.average_precision(probability, target))}"
    if alarming:
        x, y = float(recall[alarming - 1]), float(precision[alarming - 1])
        text = f"Alarms from {threshold:g}: recall {percent(x)}, precision {percent(y)}"
        parts += [_dot(x, y, 5.0, "point", text), _label(x, y, f"from {threshold:g}", *_aside(x, y))]
        described += "; " + text[0].lower() + text[1:]
    return _plot(parts, across="Recall: share of positive rows found", up="Precision", described=described)


def calibration(probability: Floats, target: Floats) -> Markup:
    """In ten bins: the mean probability given, the share of rows that were positive, and how many rows there are."""
    bins = metrics.reliability(probability, target, _BINS)
    dots = [
        _dot(
            given,
            share,
            4.5,
            "bin" if rows >= _FEW_ROWS else "bin few",
            f"{counted(rows, 'row')}: said {percent(given)}, was {percent(share)}",
        )
        for given, share, rows in bins
    ]
    path = element("path", d=_straight([given for given, _, _ in bins], [share for _, share, _ in bins]), class_="thin")
    told = "; ".join(f"said {percent(given)}, was {percent(share)} ({number_} rows)" for given, share, number_ in bins)
    parts = [*_row_bars(bins), _line(0, 0, 1, 1, "floor"), path, *dots]
    return _plot(parts, across="Probability the model gave", up="Share that was positive", described=told)


def _row_bars(bins: Sequence[tuple[float, float, int]]) -> list[Markup]:
    """Bars on the floor of the plot, by the logarithm of the rows: there are mostly very few dangerous ones."""
    most = float(np.log1p(max(rows for _, _, rows in bins)))
    bars = []
    for given, _, rows in bins:
        left, height = min(int(given * _BINS), _BINS - 1) / _BINS, _ROWS_HEIGHT * float(np.log1p(rows)) / most
        bars.append(
            element(
                "rect",
                x=f"{float(_x(left)) + 2:.1f}",
                y=f"{_TOP + _SIDE - height:.1f}",
                width=f"{_SIDE / _BINS - 4:.1f}",
                height=f"{height:.1f}",
                class_="rows",
            )
        )
    return bars


def _thinned(recall: Floats) -> Integers:
    """The last point of each of many steps of recall, and both ends."""
    grid = np.searchsorted(recall, np.linspace(0.0, 1.0, _CURVE_POINTS), side="right") - 1
    return np.unique(np.clip(np.append(grid, [0, len(recall) - 1]), 0, len(recall) - 1))


def _steps(across: Floats, up: Floats) -> str:
    moves = [f"M{_x(0.0)} {_y(float(up[0]))}"]
    moves += [f"V{_y(float(b))}H{_x(float(a))}" for a, b in zip(across, up, strict=True)]
    return "".join(moves)


def _straight(across: Sequence[float], up: Sequence[float]) -> str:
    return "M" + "L".join(f"{_x(a)} {_y(b)}" for a, b in zip(across, up, strict=True))


def _x(share: float) -> str:
    return f"{_LEFT + _SIDE * share:.1f}"


def _y(share: float) -> str:
    return f"{_TOP + _SIDE * (1.0 - share):.1f}"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", x1=_x(x1), y1=_y(y1), x2=_x(x2), y2=_y(y2), class_=kind)


def _dot(x: float, y: float, radius: float, kind: str, text: str) -> Markup:
    return element("circle", element("title", text), cx=_x(x), cy=_y(y), r=f"{radius:.1f}", class_=kind)


def _label(x: float, y: float, text: str, anchor: str, above: bool, aside: float = 0.0) -> Markup:
    place = float(_y(y)) + (-6.0 if above else 16.0)
    return element("text", text, x=f"{float(_x(x)) + aside:.1f}", y=f"{place:.1f}", text_anchor=anchor, class_="note")


def _aside(x: float, y: float) -> tuple[str, bool, float]:
    """Where a dot's label has room: anchor, above, and how far aside."""
    beside = x > 0.7
    return ("end" if beside else "start"), (y < 0.12 if beside else y < 0.9), (-9.0 if beside else 9.0)


def _plot(parts: Sequence[Markup], *, across: str, up: str, described: str) -> Markup:
    ticks = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        ticks += [
            _line(0, share, 1, share, "grid"),
            _line(share, 0, share, 1, "grid"),
            element("text", f"{share:g}", x=_x(share), y=f"{_TOP + _SIDE + 16:.1f}", text_anchor="middle"),
            element("text", f"{share:g}", x=f"{_LEFT - 7:.1f}", y=f"{float(_y(share)) + 3.5:.1f}", text_anchor="end"),
        ]
    middle = _TOP + _SIDE / 2
    titles = together(
        element("text", across, x=_x(0.5), y=f"{_HEIGHT - 8:.1f}", text_anchor="middle", class_="axis"),
        element(
            "text",
            up,
            x="11",
            y=f"{middle:.1f}",
            text_anchor="middle",
            transform=f"rotate(-90 11 {middle:.1f})",
            class_="axis",
        ),
    )
    return element(
        "svg",
        *ticks,
        *parts,
        titles,
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        aria_label=f"{up} against {across}. {described}",
        class_="square",
    )
