"""Time stamps of all kinds as microseconds since 1970 in UTC."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.series import SECOND, Integers
from eagle_trainer.sources.request import PER_SECOND, Request

_MICROS, _MICROS_UTC = pa.timestamp("us"), pa.timestamp("us", tz="UTC")
_EPOCH = datetime(1970, 1, 1)
_EARLIEST, _LATEST = ((datetime(year, 1, 1) - _EPOCH) // timedelta(microseconds=1) for year in (2, 9998))
_FARTHEST = 1 << 62
"""Microseconds: what counts more, or is no number, is as far away, and so outside of every range."""
_BUCKET = 900 * SECOND
"""Zones change their offset at whole quarters of an hour only."""


def is_count(kind: pa.DataType) -> bool:
    """Whether a time column of the type counts something, rather than being time stamps."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def refuse_unlike(kind: pa.DataType, request: Request) -> None:
    """Raises InvalidConfiguration when the time column's type is not what the schedule says it is."""
    place = f"{request.field}.timeColumn {request.time!r}"
    if is_count(kind) and request.unit is None:
        raise InvalidConfiguration(
            f"{place} holds numbers; say in {request.field}.timeUnit what they count since 1970:"
            " Seconds, Milliseconds, Microseconds or Nanoseconds"
        )
    if not is_count(kind) and request.unit is not None and not pa.types.is_null(kind):
        raise InvalidConfiguration(f"{place} is of type {kind}, not a number; take {request.field}.timeUnit out")
    if not (is_count(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind)):
        raise InvalidConfiguration(
            f"{place} is of type {kind}, not a time stamp;"
            " name a query that casts it, such as: select cast(ts as timestamp) as ts, ..."
        )


def micros_of(column: pa.Array, request: Request) -> Integers:
    """[N] of a time column without nulls. Raises InvalidConfiguration for a type or a zone that is none."""
    refuse_unlike(column.type, request)
    if request.unit is not None:
        return _counted(column, PER_SECOND[request.unit])
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return _integers(column.cast(_MICROS_UTC, safe=False))
    local = _integers(column.cast(_MICROS, safe=False))
    return local - _offsets(local, zone_of(request))


def zone_of(request: Request) -> ZoneInfo:
    """Where the time stamps without a zone were written. Raises InvalidConfiguration."""
    try:
        return ZoneInfo(request.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidConfiguration(
            f"source.timeZone {request.zone!r} is not known; give an IANA name such as Europe/Berlin"
        ) from error


def count_at(moment: datetime, per_second: int) -> Fraction:
    """How many of the unit are from 1970 to the moment, exactly."""
    since = moment.astimezone(UTC).replace(tzinfo=None) - _EPOCH
    return Fraction((since // timedelta(microseconds=1)) * per_second, SECOND)


def _counted(column: pa.Array, per_second: int) -> Integers:
    if not pa.types.is_integer(column.type):
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) * (SECOND / per_second)
        within = np.clip(np.where(np.isnan(numbers), _FARTHEST, numbers), -_FARTHEST, _FARTHEST)
        return np.asarray(np.round(within), np.int64)
    counted = _integers(column.cast(pa.int64()))
    if per_second > SECOND:
        return counted // (per_second // SECOND)
    each = SECOND // per_second
    return np.asarray(np.clip(counted, -_FARTHEST // each, _FARTHEST // each) * each, np.int64)


def _offsets(local: Integers, zone: ZoneInfo) -> Integers | int:
    """What a local time is ahead of UTC, in microseconds. In the hour that comes twice it is the second time."""
    if zone.key in ("UTC", "Etc/UTC"):
        return 0
    buckets, place = np.unique(local // _BUCKET, return_inverse=True)
    offsets = [_offset(int(bucket) * _BUCKET, zone) for bucket in buckets]
    return np.array(offsets, np.int64)[place.reshape(-1)]


def _offset(local: int, zone: ZoneInfo) -> int:
    within = min(max(local, _EARLIEST), _LATEST)
    moment = (_EPOCH + timedelta(microseconds=within)).replace(tzinfo=zone, fold=1)
    offset = moment.utcoffset()
    assert offset is not None  # A ZoneInfo has one at every moment.
    return offset // timedelta(microseconds=1)


def _integers(column: pa.Array) -> Integers:
    return np.asarray(pc.cast(column, pa.int64()).to_numpy(zero_copy_only=False), np.int64)
