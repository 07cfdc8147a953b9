"""Asks the cluster's DNS as a pod would: an answer proves Services, pods and CoreDNS at once.

The API server alone cannot tell: after a crash its objects still say ready.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct

from localcluster.settings import API_SERVICE_ADDRESS, CLUSTER_DOMAIN, DNS_SERVICE_ADDRESS

_DNS_PORT = 53
_TIMEOUT_SECONDS = 1.0
_TYPE_A, _CLASS_IN = 1, 1
_RECURSION_DESIRED = 0x0100
_HEADER = struct.Struct("!HHHHHH")


def query(name: str, identifier: int) -> bytes:
    """Return a DNS question for the IPv4 address of `name`."""
    header = _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, 0)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return header + labels + b"\0" + struct.pack("!HH", _TYPE_A, _CLASS_IN)


def answers_with(reply: bytes, identifier: int, address: ipaddress.IPv4Address) -> bool:
    """Tell whether a reply to our question ends with that one address."""
    if len(reply) < _HEADER.size:
        return False
    replied_to, _, _, answers, _, _ = _HEADER.unpack(reply[: _HEADER.size])
    return bool(replied_to == identifier and answers == 1 and address.packed in reply)


def dns_answers() -> bool:
    """Tell whether the cluster's DNS knows the API server's own Service."""
    identifier = int.from_bytes(os.urandom(2), "big")
    question = query(f"kubernetes.default.svc.{CLUSTER_DOMAIN}", identifier)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(_TIMEOUT_SECONDS)
        try:
            channel.sendto(question, (str(DNS_SERVICE_ADDRESS), _DNS_PORT))
            reply = channel.recv(512)
        except OSError:
            # No answer, or refused by the rules while there is no endpoint: not yet.
            return False
    return answers_with(reply, identifier, API_SERVICE_ADDRESS)
