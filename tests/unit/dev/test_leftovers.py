"""Clean-up finds its own remains by what they are, not by what they are called."""

from pathlib import Path

from localcluster.leftovers import is_in_container, is_shim_of
from localcluster.mounts import mounts_below

_SOCKET = Path("/home/run/containerd.sock")


def test_a_shim_belongs_to_the_containerd_it_was_given() -> None:
    words = ["/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "a", "-address", str(_SOCKET)]
    assert is_shim_of(words, _SOCKET)
    assert not is_shim_of(words, Path("/run/containerd/containerd.sock"))


def test_a_process_that_merely_mentions_the_socket_is_no_shim() -> None:
    assert not is_shim_of(["ctr", "-address", str(_SOCKET)], _SOCKET)
    assert not is_shim_of([], _SOCKET)


def test_a_process_is_in_a_container_by_its_control_group() -> None:
    cgroup_v1 = "4:memory:/kubepods/besteffort/pod1/abc\n3:cpu:/kubepods/besteffort/pod1/abc\n"
    assert is_in_container(cgroup_v1, {"abc"})
    assert is_in_container("0::/kubepods/pod1/abc\n", {"abc"})
    assert not is_in_container("0::/kubepods/pod1/abcdef\n", {"abc"})
    assert not is_in_container("0::/user.slice\n", {"abc"})


def test_mounts_are_found_below_the_folder_only_and_the_deepest_comes_first() -> None:
    mountinfo = "\n".join(
        f"{number} 1 0:1 / {point} rw - tmpfs tmpfs rw"
        for number, point in enumerate(
            ["/", "/home/cluster/a", "/home/cluster/a/b/c", "/home/clusters/x", r"/home/cluster/with\040space"]
        )
    )
    assert mounts_below(Path("/home/cluster"), mountinfo) == [
        "/home/cluster/a/b/c",
        "/home/cluster/with space",
        "/home/cluster/a",
    ]
