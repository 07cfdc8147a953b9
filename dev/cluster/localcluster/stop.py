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


def down(paths: Paths, *, purge: bool) -> None:
    """End and remove the cluster; with `purge` the caches of programs and images as well."""
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
    say("the cluster is gone; Debian packages stay installed")
    if purge:
        _purge(paths)
    else:
        say(f"built programs and images stay in {paths.home} (remove them: down --purge)")


def _end_everything(paths: Paths, supervisor: Supervisor) -> None:
    # The kubelet first, or it would start again what is ended; containers before containerd.
    for name in STOP_ORDER:
        if name == "containerd":
            _end_containers(paths, supervisor)
        if supervisor.stop(name):
            say(f"ended {name}")
    leftover = leftovers.end_leftover_processes(paths)
    if leftover:
        say(f"ended {leftover} leftover processes of containers")


def _end_containers(paths: Paths, supervisor: Supervisor) -> None:
    """End the containers through containerd, which also keeps its image store free of them.

    A containerd that was killed is started once more for it. Where it cannot be, its store
    is given up: images can be loaded again, remains of containers would haunt the next start.
    """
    if not (paths.config / "containerd.toml").exists():
        return
    images = NodeImages(paths)
    try:
        supervisor.ensure_running(components.containerd(paths))
        wait_until(
            images.answers,
            what="containerd",
            seconds=30,
            check=lambda: supervisor.require_alive(["containerd"]),
            log=supervisor.log_file("containerd"),
        )
        images.end_containers()
        removed = images.remove_containers()
    except StepError as failure:
        say(f"{failure}; the images in the node are given up")
        supervisor.stop("containerd")
        leftovers.end_leftover_processes(paths)
        unmount_below(paths.cluster)
        shutil.rmtree(paths.node_images, ignore_errors=True)
        return
    say(f"ended {removed} containers")


def _purge(paths: Paths) -> None:
    # Named one by one: EAGLE_HOME may be a folder that holds other things.
    unmount_below(paths.image_store)
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
