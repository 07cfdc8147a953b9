"""Recomputes the numbers of a model card from the raw tables, with nothing of the trainer.

    python tests/bench/card_numbers.py OUT DATA
    python tests/bench/card_numbers.py BUNDLE DATA KEYS VERIFICATION

OUT is what `eagle-train local` wrote (card.html, manifest.json, judged.onnx), DATA the folder of its tables. BUNDLE is
a copy of a published bundle whose path ends as its address does, KEYS and VERIFICATION are the folders that
`eagle-train predict` takes. Rows, windows, context and labels are made anew here, the judged model answers through ONNX
Runtime, and scikit-learn or a plain loop gives each figure. It tells of every figure that the card shows whether the
last digit agrees.
For label.failures and the newest part as holdout; tables in the layout Wide.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from eagle_contract.bundle import KeyRing, Verifier, fetch_judged, open_store

SECOND = 1_000_000
MONTH_SECONDS = 30.4375 * 86_400


@dataclass
class Rows:
    """Rows of the grid that have a whole window and a known label, by asset and time (microseconds)."""

    asset: np.ndarray
    time: np.ndarray
    target: np.ndarray
    window: np.ndarray


def recompute(out: Path, data: Path, model: bytes) -> dict[str, float]:
    """The figures of the card by their public names; `model` is the ONNX file of the model that was judged."""
    manifest = json.loads((out / "manifest.json").read_text())
    spec = manifest["scheduleSpec"]
    horizon = spec["label"]["horizonSeconds"] * SECOND
    failures = _table(data, spec["label"]["failures"])
    rows = _rows(data, manifest, failures, horizon)
    period = spec["source"]["telemetry"]["samplePeriodSeconds"]
    # The manifest has whole seconds. The boundary is the first row's time, or the begin of an event just before it.
    told = _micros(pd.Timestamp(manifest["result"]["evaluation"]["holdoutFrom"]))
    first, earlier = int(rows.time[rows.time >= told].min()), int(rows.time[rows.time < told].max())
    met = [(a, t) for a, t in failures if _covered(rows, a, t, horizon)]
    boundary = min((t - horizon for _, t in met if earlier < t - horizon <= first), default=first)
    span = (manifest["windowLength"] - 1) * period * SECOND
    training = rows.time + horizon + span < boundary
    held = rows.time >= boundary
    for asset, time in met:
        if time - horizon < boundary < time:
            held &= ~((rows.asset == asset) & (rows.time < time))
    asset, time, target = rows.asset[held], rows.time[held], rows.target[held]
    context = _context(manifest, rows.asset, rows.time, data)
    probability = _answers(model, rows.window[held], context[held])
    rate = float(rows.target[training].mean())
    threshold = float(manifest["thresholds"]["failureProbability"])
    alarm = probability >= threshold
    found = _by_row(probability, alarm, target, rate)
    features, first = _features(manifest, rows.window, context), -len(manifest["contextDefinitions"])
    kinds = {first + i for i, column in enumerate(manifest["contextDefinitions"]) if column.get("categories")}
    found |= _logistic(features, {features.shape[1] + i for i in kinds}, rows, training, held, threshold)
    judged = [(a, t) for a, t in met if t - horizon >= boundary]
    leads = []
    for owner, end in judged:
        mine = time[(asset == owner) & (time >= end - horizon) & (time < end) & alarm]
        if len(mine):
            leads.append((end - int(mine.min())) / SECOND / 3600)
    wrong = _false_alarms(asset, time, target, alarm, period * SECOND, horizon)
    found |= {
        "event_recall": len(leads) / len(judged),
        "false_alarms": float(wrong),
        "false_alarms_per_asset_month": wrong / (len(time) * period / MONTH_SECONDS),
    }
    return found | ({"median_lead_hours": float(np.median(leads))} if leads else {})


def shown(card: str) -> list[tuple[str, str]]:
    """(name, text) of every figure that the card shows, in its order."""
    cells = re.findall(r'<(?:td|dd)[^>]* data-figure="([a-z0-9_]+)"[^>]*>([^<]*)', card)
    return [(name, text.strip()) for name, text in cells]


def agrees(text: str, value: float) -> bool:
    """Whether the value, rounded as the text is, is the text."""
    digits = re.sub("[^0-9.e+-]", "", text.replace("\u2212", "-"))
    scaled = 100 * value if "%" in text else value
    if "e" in digits:
        return f"{scaled:.1e}" == digits
    decimals = len(digits.partition(".")[2])
    return float(f"{scaled:.{decimals}f}") == float(digits)


def _by_row(probability: np.ndarray, alarm: np.ndarray, target: np.ndarray, rate: float) -> dict[str, float]:
    loss = sk.log_loss(target, probability)
    constant = sk.log_loss(target, np.full(len(target), rate))
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, 10)
    error = sum(len(part) * abs(probability[part].mean() - target[part].mean()) for part in parts) / len(order)
    return {
        "average_precision": sk.average_precision_score(target, probability),
        "roc_auc": sk.roc_auc_score(target, probability),
        "log_loss": loss,
        "log_loss_skill": 1 - loss / constant,
        "brier": sk.brier_score_loss(target, probability),
        "calibration_error": error,
        "accuracy": sk.accuracy_score(target, alarm),
        "precision": sk.precision_score(target, alarm, zero_division=0),
        "recall": sk.recall_score(target, alarm),
        "f1": sk.f1_score(target, alarm),
        "base_rate": target.mean(),
        "training_base_rate": rate,
        "majority_accuracy": (target == float(rate >= 0.5)).mean(),
        "base_rate_average_precision": target.mean(),
        "base_rate_log_loss": constant,
    }


def _false_alarms(
    asset: np.ndarray, time: np.ndarray, target: np.ndarray, alarm: np.ndarray, period: int, horizon: int
) -> int:
    """Alarm by alarm: one that no positive row belongs to counts, and so does every horizon that passes in vain."""
    episodes: list[list[int]] = []
    for row in np.flatnonzero(alarm):
        last = episodes[-1][-1] if episodes else -1
        if last >= 0 and asset[last] == asset[row] and time[row] - time[last] <= 1.5 * period:
            episodes[-1].append(row)
        else:
            episodes.append([row])
    count = 0
    for rows in episodes:
        right = any(target[row] == 1.0 for row in rows)
        stretches: list[list[int]] = []
        for row in rows:
            if target[row] == 1.0:
                stretches.append([])
            elif not stretches:
                stretches.append([row])
            else:
                stretches[-1].append(row)
        for stretch in stretches:
            if stretch:
                lasted = (time[stretch[-1]] - time[stretch[0]] + period) / horizon
                count += int(np.floor(lasted) if right else np.ceil(lasted))
    return count


def _rows(data: Path, manifest: dict[str, Any], failures: list[tuple[str, int]], horizon: int) -> Rows:
    spec, length = manifest["scheduleSpec"], manifest["windowLength"]
    source = spec["source"]["telemetry"]
    period = source["samplePeriodSeconds"] * SECOND
    names = {new: old for old, new in spec["source"].get("columnMapping", {}).items()}
    columns = [names.get(sensor, sensor) for sensor in manifest["sensors"]]
    table = _read(data, source["table"])
    stamps = pd.to_datetime(table[source["timeColumn"]]).to_numpy("datetime64[us]").astype(np.int64)
    owners = table[source["assetColumn"]].astype(str).to_numpy()
    values = table[columns].to_numpy(float)
    values = np.where(np.isfinite(values), values, np.nan)
    recovery = spec["label"].get("recoverySeconds", 0) * SECOND
    pieces: list[tuple[str, int, float, np.ndarray]] = []
    for asset in sorted(set(owners)):
        mine = np.flatnonzero(owners == asset)
        mine = mine[np.argsort(stamps[mine], kind="stable")]
        own = sorted(end for owner, end in failures if owner == asset)
        for grid in _segments(stamps[mine], values[mine], period, length):
            times, filled, seen = grid
            for i in range(length - 1, len(times)):
                target = _label(times[i], own, horizon, recovery, int(stamps[mine].max())) if seen[i] else None
                if target is not None:
                    pieces.append((asset, int(times[i]), target, filled[i - length + 1 : i + 1]))
    asset, time, target, window = zip(*pieces, strict=True)
    return Rows(np.array(asset), np.array(time), np.array(target), np.array(window))


def _segments(
    stamps: np.ndarray, values: np.ndarray, period: int, length: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Stretches of the grid: times, values [n,S], and which cells have a row."""
    direction = np.exp(2j * np.pi * (stamps % period) / period).mean()
    phase = round(np.angle(direction) / (2 * np.pi) * period) % period if abs(direction) > 0.2 else period // 2
    cell = (stamps - phase + period // 2) // period
    found = []
    for part in np.split(np.arange(len(cell)), np.flatnonzero(np.diff(cell) > length + 1) + 1):
        size = int(cell[part[-1]] - cell[part[0]]) + 1
        times, filled = np.zeros(size, np.int64), np.full((size, values.shape[1]), np.nan)
        seen = np.zeros(size, bool)
        for row in part:
            place = int(cell[row] - cell[part[0]])
            times[place], seen[place] = stamps[row], True
            known = ~np.isnan(values[row])
            filled[place, known] = values[row, known]
        for place in np.flatnonzero(~seen):
            times[place] = times[place - 1] + period
        found.append((times, filled, seen))
    return found


def _label(time: int, failures: list[int], horizon: int, recovery: int, end: int) -> float | None:
    """1, 0, or None where it is not known yet or the asset recovers. An asset that ends with a failure is known."""
    ahead = [failure for failure in failures if failure > time]
    positive = bool(ahead) and ahead[0] <= time + horizon
    known = time + horizon <= end or (positive and ahead[0] == failures[-1] and failures[-1] >= end)
    recovering = any(failure <= time < failure + recovery for failure in failures)
    return float(positive) if known and not recovering else None


def _answers(model: bytes, window: np.ndarray, context: np.ndarray) -> np.ndarray:
    feed = {"window": window} | ({"context": context} if context.shape[1] else {})
    graph = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(graph.run(["failure_probability"], feed)[0])


def _features(manifest: dict[str, Any], window: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Values, lags, then mean, spread, lowest and highest of every rolling window, then the context."""
    spec = manifest["scheduleSpec"]
    wanted = spec.get("features", {})
    period = spec["source"]["telemetry"]["samplePeriodSeconds"]
    parts = [window[:, -1 - lag // period] for lag in (0, *wanted.get("lagSeconds", ()))]
    for length in wanted.get("rollingWindows", ()):
        part = window[:, -length:]
        parts += [part.mean(axis=1), part.std(axis=1, ddof=1), part.min(axis=1), part.max(axis=1)]
    return np.concatenate([*parts, context], axis=1)


def _logistic(
    features: np.ndarray, kinds: set[int], rows: Rows, training: np.ndarray, held: np.ndarray, threshold: float
) -> dict[str, float]:
    """Of a logistic regression on at most 20,000 rows, whose penalty foretells quarters of the time best."""
    most = int(np.clip(2_500_000 // features.shape[1], 2_000, 20_000))
    chosen, target = np.flatnonzero(training), rows.target
    each = [chosen[target[chosen] == value] for value in (0.0, 1.0)]
    rate, shift = len(each[1]) / len(chosen), 0.0
    if len(chosen) > most:
        positives = min(len(each[1]), round(max(0.25, rate) * most))
        counts = min(len(each[0]), most - positives), positives
        kept = [
            part[np.linspace(0, len(part) - 1, n).round().astype(int)] for part, n in zip(each, counts, strict=True)
        ]
        shift = np.log(len(each[1]) / len(kept[1])) - np.log(len(each[0]) / len(kept[0]))
        chosen = np.sort(np.concatenate(kept))
    learned, asked = _linear(features[chosen], features[held], kinds)
    label, moment = target[chosen], rows.time[chosen]
    few = np.linspace(0, len(label) - 1, min(len(label), 6_000)).round().astype(int)
    quarter = np.searchsorted(np.quantile(moment[few], (0.25, 0.5, 0.75)), moment[few], side="right")
    best, least = 1e-4, np.inf
    for strength in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        lost = 0.0
        for part in range(4):
            mine = quarter == part
            others = few[~mine]
            if mine.any() and len(set(label[others])) == 2:
                given = _regression(strength).fit(learned[others], label[others]).predict_proba(learned[few[mine]])
                lost += sk.log_loss(label[few[mine]], given, labels=[0, 1], normalize=False)
        if lost >= least:
            break
        best, least = strength, lost
    margin = _regression(best).fit(learned, label).decision_function(asked) + shift
    probability = 1 / (1 + np.exp(-margin))
    found = _by_row(probability, probability >= threshold, target[held], rate)
    names = ("average_precision", "log_loss", "log_loss_skill", "accuracy")
    return {f"logistic_{name}": found[name] for name in names}


def _regression(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-9, max_iter=1000)


def _linear(learned: np.ndarray, asked: np.ndarray, kinds: set[int]) -> tuple[np.ndarray, np.ndarray]:
    """Columns for a linear model: kinds apart, the rest clipped, filled and, where some are missing, marked."""
    pairs = []
    for position in range(learned.shape[1]):
        both = learned[:, position], asked[:, position]
        known = both[0][np.isfinite(both[0])]
        if position in kinds:
            pairs += [tuple(np.equal(column, code) for column in both) for code in sorted(set(known))]
        elif len(known):
            low, usual, high = np.quantile(known, (0.005, 0.5, 0.995))
            pairs.append(tuple(np.clip(np.where(np.isfinite(column), column, usual), low, high) for column in both))
            if len(known) < len(both[0]):
                pairs.append(tuple(~np.isfinite(column) for column in both))
    ours, theirs = (np.column_stack(part).astype(float) for part in zip(*pairs, strict=True))
    moves = ours.std(axis=0) > 1e-9 * (1 + np.abs(ours.mean(axis=0)))
    scaler = StandardScaler().fit(ours[:, moves])
    return scaler.transform(ours[:, moves]), scaler.transform(theirs[:, moves])


def _context(manifest: dict[str, Any], asset: np.ndarray, time: np.ndarray, data: Path) -> np.ndarray:
    source = manifest["scheduleSpec"]["source"]
    tables = {table["name"]: table for table in source.get("events", [])}
    attributes = source.get("attributes")
    result = np.full((len(time), len(manifest["contextDefinitions"])), np.nan)
    for position, column in enumerate(manifest["contextDefinitions"]):
        if column["statistic"] == "attribute":
            table = _read(data, attributes["table"]).set_index(attributes["assetColumn"])[column["source"]]
            known = {str(name): value for name, value in table.items()}
            codes = {name: float(code) for code, name in enumerate(column.get("categories") or ())}
            for row, name in enumerate(asset):
                value = known.get(str(name), np.nan)
                result[row, position] = codes.get(str(value), np.nan) if codes else float(value)
            continue
        happened = _table(data, tables[column["source"]], kind=column["kind"])
        late, reach = column["latencySeconds"] * SECOND, column["windowSeconds"] * SECOND
        for name in set(asset):
            moments = np.array([moment for owner, moment in happened if owner == name], np.int64)
            for row in np.flatnonzero(asset == name):
                inside = moments[(moments > time[row] - reach) & (moments <= time[row] - late)]
                if column["statistic"] == "count":
                    result[row, position] = len(inside)
                elif len(inside):
                    result[row, position] = (time[row] - inside.max()) / (3600 * SECOND)
    return result


def _covered(rows: Rows, asset: str, end: int, horizon: int) -> bool:
    return bool(np.any((rows.asset == asset) & (rows.time >= end - horizon) & (rows.time < end)))


def _table(data: Path, where: dict[str, Any], kind: str | None = None) -> list[tuple[str, int]]:
    """(asset, microseconds) of what happened, each once where no kind is asked for."""
    table = _read(data, where["table"])
    if kind is not None and where.get("kindColumn"):
        table = table[table[where["kindColumn"]].astype(str) == kind]
    stamps = pd.to_datetime(table[where["timeColumn"]]).to_numpy("datetime64[us]").astype(np.int64)
    found = list(zip(table[where["assetColumn"]].astype(str), stamps.tolist(), strict=True))
    return sorted(found if kind is not None else set(found))


def _read(data: Path, table: str) -> pd.DataFrame:
    stem = data / table.rpartition(".")[2]
    if stem.with_suffix(".parquet").exists():
        return pd.read_parquet(stem.with_suffix(".parquet"))
    return pd.read_csv(stem.with_suffix(".csv"))


def _micros(moment: pd.Timestamp) -> int:
    return int(moment.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[us]").astype(np.int64))


def judged_in(out: Path, *keys: Path) -> bytes:
    """The judged model of a folder; with the organization's keys and its signers' certificates that of a bundle."""
    if not keys:
        return (out / "judged.onnx").read_bytes()
    uri = out.resolve().as_uri()
    ring, verifier = KeyRing.from_folder(keys[0]), Verifier.from_folder(keys[1])
    return fetch_judged(open_store(uri, {}), uri, f"sha256:{out.resolve().name}", keyring=ring, verifier=verifier).model


def main(out: Path, data: Path, *keys: Path) -> int:
    """Tells of every figure whether it agrees; 1 if one does not."""
    found, wrong = recompute(out, data, judged_in(out, *keys)), 0
    for name, text in shown((out / "card.html").read_text(encoding="utf-8")):
        if name not in found:
            print(f"         {name:<32} {text:>12}   is not recomputed")
            continue
        right = agrees(text, found[name])
        wrong += not right
        print(f"{'agrees' if right else 'DIFFERS':<8} {name:<32} {text:>12}   {found[name]:.9g}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
