"""Kernel settings that the cluster changes, remembered so that `down` can put them back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from localcluster.paths import Paths

_KERNEL = Path("/proc/sys")

# Pods reach one another through the kernel: packets are forwarded, and those that only cross
# the bridge pass the same rules, because a Service's answer has to be translated back.
WANTED: Mapping[str, str] = {
    "net/ipv4/ip_forward": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
}
# The kubelet sets these by itself and has no switch against it.
CHANGED_BY_KUBELET = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def describe() -> str:
    """Return the settings that change, for the reader."""
    ours = [f"{_dotted(name)}={value}" for name, value in WANTED.items()]
    return f"{', '.join(ours)} (and the kubelet: {', '.join(map(_dotted, CHANGED_BY_KUBELET))})"


def remember_settings(paths: Paths) -> None:
    """Write down the values of before the first change; a later start keeps the first record."""
    if paths.host_before.exists():
        return
    before = {
        name: (_KERNEL / name).read_text().strip()
        for name in (*WANTED, *CHANGED_BY_KUBELET)
        if (_KERNEL / name).exists()
    }
    paths.home.mkdir(parents=True, exist_ok=True)
    fresh = paths.host_before.with_suffix(".fresh")
    fresh.write_text(json.dumps(before, indent=2) + "\n")
    os.replace(fresh, paths.host_before)


def apply_settings() -> None:
    for name, value in WANTED.items():
        path = _KERNEL / name
        if path.read_text().strip() != value:
            path.write_text(value)


def restore_settings(paths: Paths) -> list[str]:
    """Put the remembered values back and forget them; return the names that had changed."""
    if not paths.host_before.exists():
        return []
    restored = []
    for name, value in json.loads(paths.host_before.read_text()).items():
        path = _KERNEL / name
        if path.exists() and path.read_text().strip() != value:
            path.write_text(value)
            restored.append(_dotted(name))
    paths.host_before.unlink()
    return restored


def _dotted(name: str) -> str:
    return name.replace("/", ".")
