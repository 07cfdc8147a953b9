"""Benches use what the end-to-end tests use: the tools under dev/ are programs, and are put on the path here."""

import sys
from pathlib import Path

_DEV = Path(__file__).resolve().parents[2] / "dev"
sys.path[:0] = [str(_DEV / "demo"), str(_DEV / "cluster")]
