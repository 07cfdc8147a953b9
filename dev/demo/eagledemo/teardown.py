"""`make demo-down`: the cluster as it was before the demo, as far as the demo changed it."""

from __future__ import annotations

from localcluster.progress import say

from eagledemo import organizations
from eagledemo.kube import Cluster
from eagledemo.organizations import Organization, is_built_here

ORGANIZATIONS = (Organization("acme"), Organization("hydra"))
DEMO_LABEL = "eagle-demo=yes"
"""On the namespaces of the demo's organizations, so that nobody else's are taken for them."""
_ORGANIZATION_LABEL = "training.eagle-notifier.io/organization"
_STEP = "clear away"


def remove_demo(cluster: Cluster) -> None:
    """Remove the demo's organizations, and the operator unless it serves others or is not the demo's."""
    own = [each for each in ORGANIZATIONS if organizations.has_organization(cluster, each, DEMO_LABEL)]
    if own:
        say(f"removing {' and '.join(each.id for each in own)} with their data, schedules and models (half a minute)")
    organizations.remove_organizations(cluster, own)
    installed = organizations.installed_operator(cluster)
    if installed is None:
        return
    words = ("get", "namespaces", "--selector", _ORGANIZATION_LABEL, "--output", "jsonpath={.items[*].metadata.name}")
    others = cluster.kubectl(*words, step=_STEP).split()
    if others or not is_built_here(installed):
        say(f"the operator stays: {'it serves ' + ', '.join(others) if others else 'the demo did not install it'}")
        return
    say("uninstalling the operator")
    organizations.remove_operator(cluster)
    say("the custom resource definitions stay, as after every uninstall; to remove them and all schedules:")
    say("  kubectl delete crd trainingschedules.training.eagle-notifier.io modelversions.training.eagle-notifier.io")
