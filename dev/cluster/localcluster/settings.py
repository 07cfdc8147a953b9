"""The choices that make this cluster what it is, in one place.

Addresses are fixed rather than configurable: certificates, manifests and the
clean-up all rely on them, and `network.check_for_conflicts` says so when a machine
already uses them.
"""

from __future__ import annotations

import ipaddress

KUBERNETES_VERSION = "1.36.4"

NODE_NAME = "eagle"
CLUSTER_DOMAIN = "cluster.local"

# The bridge is the only device of the cluster. Its address is the node's address and the
# API server's, so nothing has to listen on an interface that leads off the machine.
BRIDGE = "cni-eagle"
POD_NETWORK_NAME = "eagle"
POD_RANGE = ipaddress.IPv4Network("10.85.0.0/24")
NODE_ADDRESS = ipaddress.IPv4Address("10.85.0.1")
SERVICE_RANGE = ipaddress.IPv4Network("10.96.0.0/16")
API_SERVICE_ADDRESS = ipaddress.IPv4Address("10.96.0.1")
DNS_SERVICE_ADDRESS = ipaddress.IPv4Address("10.96.0.10")

API_PORT = 6443
ETCD_CLIENT_PORT = 23790
ETCD_PEER_PORT = 23800

API_URL = f"https://{NODE_ADDRESS}:{API_PORT}"
ETCD_URL = f"https://127.0.0.1:{ETCD_CLIENT_PORT}"
ETCD_PEER_URL = f"https://127.0.0.1:{ETCD_PEER_PORT}"

# Folders that carry programs of the administrator are often missing from a user's PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
