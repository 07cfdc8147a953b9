"""`status`: what runs, in a few lines."""

from __future__ import annotations

from localcluster.api_client import ApiClient
from localcluster.conditions import has_condition
from localcluster.dns_probe import dns_answers
from localcluster.paths import Paths
from localcluster.settings import API_URL, NODE_NAME
from localcluster.supervisor import STOP_ORDER, Supervisor


def status(paths: Paths) -> bool:
    """Print the state of every part; return whether the cluster is whole."""
    if not paths.admin_kubeconfig.exists():
        print("there is no cluster; `make cluster-up` starts one")
        return False
    supervisor = Supervisor(paths)
    api = ApiClient(paths)
    states = {name: supervisor.running(name) for name in reversed(STOP_ORDER)}
    states[f"API server at {API_URL} ready"] = api.ready()
    node = api.read(f"/api/v1/nodes/{NODE_NAME}")
    states["node ready"] = has_condition(node, "Ready")
    states["DNS answers"] = dns_answers()
    for name, good in states.items():
        print(f"  {'yes' if good else 'NO ':3}  {name}")
    print(f"kubeconfig: {paths.admin_kubeconfig}\nlogs:       {paths.logs}")
    return all(states.values())
