"""What a person gives on the command line, read and checked; what is wrong with it is said by the option's name."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from pydantic import ValidationError

from eagle_contract.api import TrainingSchedule, TrainingScheduleSpec
from eagle_trainer.errors import InvalidConfiguration
from eagle_trainer.extract import newest_request
from eagle_trainer.series import moment
from eagle_trainer.sources.database import Database
from eagle_trainer.sources.files import Files
from eagle_trainer.sources.request import Source

LOCAL = "local"


def schedule_of(path: Path) -> tuple[str, TrainingSchedule]:
    """The name and content of a TrainingSchedule in a YAML file. Raises InvalidConfiguration."""
    try:
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidConfiguration(f"--schedule {path} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != "TrainingSchedule":
        raise InvalidConfiguration(f"--schedule {path} is not a TrainingSchedule; its kind must say so")
    try:
        spec = TrainingScheduleSpec.model_validate(manifest.get("spec"), extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in ("spec", *first["loc"]))
        raise InvalidConfiguration(f"{field} in {path}: {_told(first['type'], first['msg'])}") from error
    metadata = manifest.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(name or LOCAL), TrainingSchedule(spec=spec)


def source_of(data: str) -> Source:
    """The database at an address, or the tables in a folder or file. Raises InvalidConfiguration."""
    if data.startswith(("postgresql://", "postgres://")):
        return Database(data)
    path = Path(data)
    if not path.exists():
        raise InvalidConfiguration(f"--data {data} is not there; give a folder, a file, or a postgresql:// address")
    return Files(path)


def moment_of(text: str | None) -> datetime | None:
    """A moment as people write it; one without a time zone is UTC. Raises InvalidConfiguration."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidConfiguration(f"--now {text!r} is not a moment such as 2026-11-22T01:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def end_of_data(source: Source, spec: TrainingScheduleSpec) -> datetime:
    """Just after the newest telemetry of files, whose data may be old; for a database, now."""
    if isinstance(source, Database):
        return datetime.now(UTC)
    rows = source.read(newest_request(spec))
    if rows.time is None or not rows.count:
        return datetime.now(UTC)
    return moment(int(rows.time.max())) + timedelta(seconds=1)


def ensure_writable(out: Path, *, folder: bool) -> None:
    """Raises InvalidConfiguration where --out cannot become that folder or file, before any work is done for it."""
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if existing.is_dir() and existing == out and not folder:
        raise InvalidConfiguration(f"--out {out} is a folder; name a file")
    if not existing.is_dir() and (folder or existing != out):
        raise InvalidConfiguration(f"--out {out} cannot be made, as {existing} is a file; name another place")
    if not os.access(existing, os.W_OK):
        raise InvalidConfiguration(f"--out {out} cannot be written by this user; name another place")


def _told(kind: str, message: str) -> str:
    known = {
        "extra_forbidden": "there is no such field",
        "missing": "this field must be given",
        "model_type": "this field must be given as a block of fields",
    }
    return known.get(kind, message)
