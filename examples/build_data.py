#!/usr/bin/env python3
"""Make the data of `fleet/` and `rig/` from what their publishers offer for download.

    examples/build_data.py fleet FOLDER   FOLDER holds PdM_telemetry.csv, PdM_errors.csv, PdM_failures.csv, …
    examples/build_data.py rig FOLDER     FOLDER holds TS1.txt, …, profile.txt

It is here so that everyone can see, and repeat, what was changed: names, a smaller part of the fleet, and nothing else
but that flows of the rig, measured ten times a second, are averaged over each second.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent

FLEET_MACHINES = 20
FLEET_END = "2015-04-01 06:00:00"
FLEET_TABLES = {
    "telemetry": ("PdM_telemetry.csv", {}),
    "errors": ("PdM_errors.csv", {"errorID": "error_id"}),
    "maintenance": ("PdM_maint.csv", {"comp": "component"}),
    "failures": ("PdM_failures.csv", {"failure": "component"}),
    "machines": ("PdM_machines.csv", {}),
}

RIG_START = "2000-01-01T00:00:00"
RIG_SECONDS_PER_CYCLE = 60
RIG_EVERY_SECOND = ("TS1", "TS2", "TS3", "TS4", "VS1", "CE", "CP", "SE")
RIG_TEN_A_SECOND = ("FS1", "FS2")
RIG_PUMP_LEAKAGE = 2
"""The column of profile.txt: 0 no leakage, 1 weak, 2 severe."""


def fleet(source: Path) -> dict[str, pd.DataFrame]:
    """The tables of the first machines' first three months, by name."""
    return {name: _fleet_table(source / file, names) for name, (file, names) in FLEET_TABLES.items()}


def _fleet_table(file: Path, names: dict[str, str]) -> pd.DataFrame:
    table = pd.read_csv(file).rename(columns={"machineID": "machine_id", "datetime": "ts", **names})
    table = table[table["machine_id"] <= FLEET_MACHINES]
    if "ts" in table:
        table["ts"] = pd.to_datetime(table["ts"])
        table = table[table["ts"] < FLEET_END]
    return table.reset_index(drop=True)


def rig(source: Path) -> pd.DataFrame:
    """One row per second: every sensor, and whether the pump leaks in that load cycle."""
    columns = {name.lower(): _cycles(source, name).ravel() for name in RIG_EVERY_SECOND}
    for name in RIG_TEN_A_SECOND:
        columns[name.lower()] = _cycles(source, name).reshape(-1, 10).mean(axis=1).round(4)
    leakage = np.loadtxt(source / "profile.txt")[:, RIG_PUMP_LEAKAGE] > 0
    rows = len(leakage) * RIG_SECONDS_PER_CYCLE
    time = np.datetime64(RIG_START) + np.arange(rows).astype("timedelta64[s]")
    label = np.repeat(leakage, RIG_SECONDS_PER_CYCLE).astype(np.int8)
    return pd.DataFrame({"ts": time, **columns, "pump_leakage": label})


def _cycles(source: Path, name: str) -> npt.NDArray[np.float64]:
    """[cycles, samples per cycle] of one sensor."""
    return np.loadtxt(source / f"{name}.txt")


def _write_parquet(table: pd.DataFrame, file: Path) -> None:
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), file, compression="zstd", compression_level=19)


def main() -> None:
    """Write the files beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["fleet", "rig"])
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    if chosen.data == "rig":
        _write_parquet(rig(chosen.folder), HERE / "rig" / "telemetry.parquet")
        return
    for name, table in fleet(chosen.folder).items():
        if name == "telemetry":
            _write_parquet(table, HERE / "fleet" / "telemetry.parquet")
        else:
            table.to_csv(HERE / "fleet" / f"{name}.csv", index=False)


if __name__ == "__main__":
    main()
