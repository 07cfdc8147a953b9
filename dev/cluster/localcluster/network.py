"""The bridge that pods, the node and the API server share, and the rules that close it off.

Nothing enters it from another interface and nothing leaves it by one: the cluster exists on
this machine only.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from localcluster.host_settings import WANTED
from localcluster.iptables_text import removal_script
from localcluster.progress import StepError, run_quietly
from localcluster.settings import BRIDGE, NODE_ADDRESS, POD_RANGE, SERVICE_RANGE, SYSTEM_PATH

_STEP = "set up the network"
_FORWARD_CHAIN = "EAGLE-FORWARD"
_INPUT_CHAIN = "EAGLE-INPUT"
OUR_CHAINS = (_FORWARD_CHAIN, _INPUT_CHAIN)
KUBERNETES_CHAIN_PREFIX = "KUBE-"

_CLOSED_OFF = (
    (_FORWARD_CHAIN, ("-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT")),
    (_FORWARD_CHAIN, ("-i", BRIDGE, "-j", "REJECT")),
    (_FORWARD_CHAIN, ("-o", BRIDGE, "-j", "DROP")),
    (_INPUT_CHAIN, ("-i", BRIDGE, "-j", "RETURN")),
    (_INPUT_CHAIN, ("-i", "lo", "-j", "RETURN")),
    (_INPUT_CHAIN, ("-d", str(POD_RANGE), "-j", "DROP")),
)


def conflicting_routes(routes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the routes (as `ip -json route` lists them) of others that overlap our ranges."""
    found = []
    for route in routes:
        destination = str(route.get("dst", "default"))
        if destination == "default" or route.get("dev") == BRIDGE:
            continue
        network = ipaddress.ip_network(destination, strict=False)
        if isinstance(network, ipaddress.IPv4Network) and (
            network.overlaps(POD_RANGE) or network.overlaps(SERVICE_RANGE)
        ):
            found.append(f"{destination} dev {route.get('dev', '?')}")
    return found


def check_for_conflicts() -> None:
    """Refuse to start where the addresses, or the rules of another Kubernetes, are in the way."""
    routes = json.loads(_run("ip", "-json", "-4", "route", "show"))
    conflicts = conflicting_routes(routes)
    if conflicts:
        raise StepError(
            _STEP,
            f"this machine already routes {', '.join(conflicts)}; the cluster needs {POD_RANGE} and {SERVICE_RANGE}",
        )
    if not bridge_exists() and f":{KUBERNETES_CHAIN_PREFIX}SERVICES" in _saved_rules("iptables"):
        raise StepError(
            _STEP,
            "another Kubernetes seems to run on this machine (its Service rules are in place); "
            "two would rewrite each other's rules. If it is a leftover, `cluster-down` removes it",
        )


def describe() -> str:
    """Return what the bridge is, for the reader."""
    address = f"{NODE_ADDRESS}/{POD_RANGE.prefixlen}"
    return f"a network bridge {BRIDGE} with {address}, and a route for {SERVICE_RANGE} to it"


def bridge_exists() -> bool:
    return Path("/sys/class/net", BRIDGE).exists()


def load_kernel_parts() -> None:
    """Load what may be a module: bridge filtering and the overlay file system."""
    for module, proof in (
        ("br_netfilter", Path("/proc/sys") / "net/bridge/bridge-nf-call-iptables"),
        ("overlay", Path("/sys/module/overlay")),
    ):
        if not proof.exists() and shutil.which("modprobe", path=SYSTEM_PATH):
            # Built-in parts have no module to load; what is really missing shows below.
            subprocess.run(["modprobe", module], env={"PATH": SYSTEM_PATH}, check=False)
    missing = [name for name in WANTED if not (Path("/proc/sys") / name).exists()]
    if missing:
        raise StepError(_STEP, f"the kernel lacks {', '.join(missing)} (module br_netfilter)")


def make_bridge() -> None:
    """Make the bridge with the node's address and the route for Services; repeatable."""
    if not bridge_exists():
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
    prefix = POD_RANGE.prefixlen
    _run("ip", "address", "replace", f"{NODE_ADDRESS}/{prefix}", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    # Without it a packet to a Service without endpoints would take the default route.
    _run("ip", "route", "replace", str(SERVICE_RANGE), "dev", BRIDGE)


def close_off() -> None:
    """Put the closing rules first in FORWARD and INPUT; repeatable."""
    lines = ["*filter"]
    lines += [f":{chain} - [0:0]" for chain in OUR_CHAINS]
    lines += [f"-A {chain} {' '.join(rule)}" for chain, rule in _CLOSED_OFF]
    lines.append("COMMIT")
    # A chain that is named in the input is emptied first, so this never doubles a rule.
    _restore("iptables", "\n".join(lines) + "\n")
    for builtin, chain in (("FORWARD", _FORWARD_CHAIN), ("INPUT", _INPUT_CHAIN)):
        if f"-A {builtin} -j {chain}" not in _saved_rules("iptables"):
            _run("iptables", "-w", "-I", builtin, "1", "-j", chain)


def remove_bridge() -> None:
    """Remove the bridge; its address and routes go with it."""
    if bridge_exists():
        _run("ip", "link", "delete", BRIDGE)


def remove_rules() -> None:
    """Remove our chains and those of kube-proxy, in both address families."""
    for program in ("iptables", "ip6tables"):
        script = removal_script(_saved_rules(program), (*OUR_CHAINS, KUBERNETES_CHAIN_PREFIX))
        if script:
            _restore(program, script)


def _saved_rules(program: str) -> str:
    save = f"{program}-save"
    if shutil.which(save, path=SYSTEM_PATH) is None:
        return ""
    return _run(save)


def _restore(program: str, script: str) -> None:
    _run(f"{program}-restore", "-w", "--noflush", stdin=script)


def _run(program: str, *words: str, stdin: str | None = None) -> str:
    found = shutil.which(program, path=SYSTEM_PATH) or program
    return run_quietly([found, *words], step=_STEP, stdin=stdin)
