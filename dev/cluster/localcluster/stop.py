"""`down`: takes back everything that `up` did to the machine, whatever state it is in."""

from __future__ import annotations

import shutil

from localcluster import components, host_settings, leftovers, network
from localcluster.mounts import unmount_below
from localcluster.node_images import NodeImages
from localcluster.paths import Paths
from localcluster.progress import StepError, say
from localcluster.supervisor import STOP_ORDER, Supervisor
from localcluster.waiting import wait_until


def down(paths: Paths) -> None:
    """End and remove the cluster; the caches of programs and images stay."""
    supervisor = Supervisor(paths)
    if paths.cluster.exists():
        _end_everything(paths, supervisor)
    unmounted = unmount_below(paths.cluster)
    if unmounted:
        say(f"unmounted {unmounted} leftovers")
    network.remove_bridge()
    network.remove_rules()
    leftovers.remove_pod_control_groups()
    leftovers.remove_traces_outside(paths)
    restored = host_settings.restore_settings(paths)
    if restored:
        say(f"put back {', '.join(restored)}")
    if paths.cluster.exists():
        shutil.rmtree(paths.cluster)
    say(f"the cluster is gone; Debian packages stay installed, and the caches in {paths.home}")


def _end_everything(paths: Paths, supervisor: Supervisor) -> None:
    # The kubelet first, or it would start again what is ended; then the containers, which
    # otherwise keep the API server waiting for their open connections.
    _end(supervisor, "kubelet")
    ended = leftovers.end_container_processes(paths)
    if ended:
        say(f"ended {ended} processes of containers")
    _forget_containers(paths, supervisor)
    for name in STOP_ORDER:
        _end(supervisor, name)


def _end(supervisor: Supervisor, name: str) -> None:
    if supervisor.stop(name):
        say(f"ended {name}")


def _forget_containers(paths: Paths, supervisor: Supervisor) -> None:
    """Leave the image store of the node without containers: they would haunt the next start.

    A containerd that was killed is started once more for it. Where that does not help, the
    store is given up: images can be loaded again.
    """
    if not (paths.config / "containerd.toml").exists():
        return
    images = NodeImages(paths)
    log = supervisor.log_file("containerd")

    def check() -> None:
        supervisor.require_alive(["containerd"])

    try:
        supervisor.ensure_running(components.containerd(paths))
        wait_until(images.answers, what="containerd", seconds=30, check=check, log=log)
        wait_until(
            lambda: not images.forget_containers(),
            what="the end of all containers",
            seconds=30,
            check=check,
            log=log,
        )
    except StepError as failure:
        say(f"{failure}; the images in the node are given up")
        supervisor.stop("containerd")
        leftovers.end_container_processes(paths)
        unmount_below(paths.cluster)
        shutil.rmtree(paths.node_images, ignore_errors=True)


def purge(paths: Paths) -> None:
    """Remove the caches too: built programs, images, logs."""
    unmount_below(paths.image_store)
    # Named one by one: EAGLE_HOME may be a folder that holds other things.
    for folder in (
        paths.bin,
        paths.program_store,
        paths.node_images,
        paths.image_store,
        paths.image_cache,
        paths.logs,
    ):
        if folder.exists():
            shutil.rmtree(folder)
    paths.images_env.unlink(missing_ok=True)
    say(f"removed built programs, images and logs from {paths.home}")
