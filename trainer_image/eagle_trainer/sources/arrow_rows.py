"""From batches of Arrow to rows: the types that databases and files have, brought to the few that training needs."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.series import Floats
from eagle_trainer.sources.growing import Growing
from eagle_trainer.sources.moments import micros_of
from eagle_trainer.sources.request import Coded, Codes, Request, Rows

_CHUNK_ROWS = 65_536


class RowsBuilder:
    """Takes batches that have the request's columns under their own names. Rows without a time are left out."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._count = self._timeless = 0
        self._time = Growing(np.int64)
        self._numbers = Growing(np.float64, len(request.numbers))
        self._label = Growing(np.float64)
        texts = ([request.asset] if request.asset else []) + list(request.texts)
        self._texts = {name: _Coder() for name in texts}
        self._others: dict[str, list[pa.Array]] = {name: [] for name in request.others}

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises InvalidConfiguration for a time column without moments or a number column without numbers."""
        request = self._request
        if request.time:
            known = pc.is_valid(batch.column(request.time))
            if known.true_count != len(batch):
                self._timeless += len(batch) - known.true_count
                batch = batch.filter(known)
            self._time.room(len(batch))[:] = micros_of(batch.column(request.time), request)
        self._count += len(batch)
        numbers = self._numbers.room(len(batch))
        for position, name in enumerate(request.numbers):
            numbers[:, position] = _double(batch, name, request)
        if request.label:
            self._label.room(len(batch))[:] = _double(batch, request.label, request)
        for name, coder in self._texts.items():
            coder.add(batch.column(name))
        for name, parts in self._others.items():
            parts.append(_number_or_text(batch.column(name)))

    def rows(self) -> Rows:
        """All of them. Nothing can be added afterwards."""
        request = self._request
        coded = {name: coder.done() for name, coder in self._texts.items()}
        return Rows(
            count=self._count,
            time=self._time.done() if request.time else None,
            asset=coded[request.asset] if request.asset else None,
            numbers=self._numbers.done(),
            label=self._label.done() if request.label else None,
            texts={name: coded[name] for name in request.texts},
            others={name: _joined(parts) for name, parts in self._others.items()},
            timeless=self._timeless,
        )


def is_number(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers (true and false are 1 and 0)."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind))


class _Coder:
    """Text to numbers, batch by batch; the names are sorted at the end."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._codes = Growing(np.int32)

    def add(self, column: pa.Array) -> None:
        encoded = pc.dictionary_encode(column.cast(pa.string()))
        own = [self._known.setdefault(name, len(self._known)) for name in encoded.dictionary.to_pylist()]
        indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        self._codes.room(len(column))[:] = np.array([*own, -1], np.int32)[indices]

    def done(self) -> Coded:
        codes: Codes = self._codes.done()
        names = sorted(self._known)
        place = np.full(len(names) + 1, -1, np.int32)
        for position, name in enumerate(names):
            place[self._known[name]] = position
        for start in range(0, len(codes), _CHUNK_ROWS):
            codes[start : start + _CHUNK_ROWS] = place[codes[start : start + _CHUNK_ROWS]]
        return Coded(names=tuple(names), codes=codes)


def _double(batch: pa.RecordBatch, name: str, request: Request) -> Floats:
    column = batch.column(name)
    try:
        numbers: Any = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as cause:
        raise InvalidConfiguration(
            f"column {name!r} of {request.field} is of type {column.type}, not a number; take it out of the schedule"
        ) from cause
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def _number_or_text(column: pa.Array) -> pa.Array:
    return column.cast(pa.float64(), safe=False) if is_number(column.type) else column.cast(pa.string())


def _joined(parts: list[pa.Array]) -> pa.Array:
    """A column that is empty in one batch may have no type of its own there."""
    kinds = {part.type for part in parts if part.null_count < len(part)}
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    return pa.concat_arrays([part.cast(kind) for part in parts]) if parts else pa.array([], pa.string())
