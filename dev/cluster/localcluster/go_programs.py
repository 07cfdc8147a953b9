"""The programs that are built from source, each once per content key.

The build needs a Go toolchain and the Go module proxy, nothing else. What is built lands
in the program store; `bin/` holds links with stable names.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.content import content_key
from localcluster.paths import CLUSTER_SOURCES, Paths
from localcluster.progress import StepError, run_logged, say
from localcluster.settings import KUBERNETES_VERSION

_GO_SOURCES = CLUSTER_SOURCES / "go"
_STRIPPED = "-s -w"
# Where Go's own instructions put it; sudo leaves it off PATH.
_GO_INSTALL_FOLDER = "/usr/local/go/bin"


def _kubernetes_version_flags() -> str:
    # Without these the server calls itself v0.0.0 and Helm refuses charts that ask for more.
    major, minor, _ = KUBERNETES_VERSION.split(".")
    values = {
        "gitVersion": f"v{KUBERNETES_VERSION}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
        "buildDate": "2026-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    flags = [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]
    return " ".join([_STRIPPED, *flags])


@dataclass(frozen=True)
class GoProgram:
    """One program: a package of a module of ours, or of a published module at a version."""

    name: str
    package: str
    ldflags: str = _STRIPPED
    module: Path | None = None
    version: str = ""
    typical_seconds: int = 10

    def key(self) -> str:
        """Return the key over everything that decides what the build yields."""
        files = sorted(self.module.glob("*")) if self.module else []
        return content_key(texts=[self.package, self.version, self.ldflags], files=files)

    def built(self, paths: Paths) -> Path:
        """Return where the built program is, or would be."""
        return paths.program_store / f"{self.name}-{self.key()}" / self.name


def _kubernetes(name: str, seconds: int) -> GoProgram:
    return GoProgram(
        name=name,
        package=f"k8s.io/kubernetes/cmd/{name}",
        ldflags=_kubernetes_version_flags(),
        module=_GO_SOURCES / "kubernetes",
        typical_seconds=seconds,
    )


CONTROL_PLANE = (
    _kubernetes("kube-apiserver", 190),
    _kubernetes("kube-controller-manager", 50),
    _kubernetes("kube-scheduler", 5),
    _kubernetes("kubelet", 17),
    _kubernetes("kube-proxy", 8),
    _kubernetes("kubectl", 18),
    GoProgram(
        name="etcd",
        package="go.etcd.io/etcd/server/v3",
        module=_GO_SOURCES / "kubernetes",
        typical_seconds=7,
    ),
)
PAUSE = GoProgram(name="pause", package="eagle/dev/cluster/pause", module=_GO_SOURCES / "pause", typical_seconds=2)
COREDNS = GoProgram(
    name="coredns",
    package="eagle/dev/cluster/coredns",
    module=_GO_SOURCES / "coredns",
    typical_seconds=30,
)
HELM = GoProgram(
    name="helm",
    package="helm.sh/helm/v4/cmd/helm",
    version="v4.2.4",
    ldflags=f"{_STRIPPED} -X helm.sh/helm/v4/internal/version.version=v4.2.4",
    typical_seconds=80,
)
KUBECONFORM = GoProgram(
    name="kubeconform",
    package="github.com/yannh/kubeconform/cmd/kubeconform",
    version="v0.8.0",
    ldflags=f"{_STRIPPED} -X main.version=v0.8.0",
    typical_seconds=3,
)
VERSITYGW = GoProgram(
    name="versitygw",
    package="github.com/versity/versitygw/cmd/versitygw",
    version="v1.7.0",
    ldflags=f"{_STRIPPED} -X main.Version=v1.7.0",
    typical_seconds=40,
)
KWOK = GoProgram(
    name="kwok",
    package="sigs.k8s.io/kwok/cmd/kwok",
    version="v0.8.0",
    ldflags=f"{_STRIPPED} -X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0",
    typical_seconds=55,
)

NEEDED_TO_START = (*CONTROL_PLANE, PAUSE, COREDNS)
TOOLS = (HELM, KUBECONFORM)
ALL_PROGRAMS = (*NEEDED_TO_START, *TOOLS, VERSITYGW, KWOK)


def missing_programs(programs: Sequence[GoProgram], paths: Paths) -> list[GoProgram]:
    """Return the programs that have not been built yet as they are described now."""
    return [program for program in programs if not program.built(paths).exists()]


def ensure_built(programs: Sequence[GoProgram], paths: Paths) -> None:
    """Build what is missing and give every program its stable name in `bin/`."""
    missing = missing_programs(programs, paths)
    if missing:
        expected = sum(program.typical_seconds for program in missing)
        say(f"building {len(missing)} programs from source, once; on two cores about {expected} s")
    for number, program in enumerate(missing, start=1):
        say(f"  building {program.name} ({number} of {len(missing)})")
        _build(program, paths)
    for program in programs:
        _link(program, paths)


def program_named(name: str) -> GoProgram:
    """Return the program of that name; raises StepError when there is none."""
    for program in ALL_PROGRAMS:
        if program.name == name:
            return program
    known = ", ".join(program.name for program in ALL_PROGRAMS)
    raise StepError(f"find the program {name}", f"it is none of: {known}")


def _build(program: GoProgram, paths: Paths) -> None:
    step = f"build {program.name}"
    go = shutil.which("go") or shutil.which("go", path=_GO_INSTALL_FOLDER)
    if go is None:
        raise StepError(step, "no `go` on PATH; Go 1.26 or newer is needed")
    target = program.built(paths)
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    # Built aside and moved into place, so that a build which was cut off leaves nothing
    # that looks finished.
    with tempfile.TemporaryDirectory(dir=paths.program_store, prefix=".building-") as aside:
        environment = os.environ | {"CGO_ENABLED": "0", "GOBIN": aside}
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", program.ldflags]
        if program.module is None:
            source = f"{program.package}@{program.version}"
            command = [go, "install", *flags, source]
        else:
            command = [go, "build", *flags, "-o", f"{aside}/{program.name}", program.package]
        run_logged(
            command,
            step=step,
            log=paths.logs / f"build-{program.name}.log",
            environment=environment,
            folder=program.module,
        )
        target.parent.mkdir(exist_ok=True)
        os.replace(Path(aside) / program.name, target)


def _link(program: GoProgram, paths: Paths) -> None:
    link, target = paths.bin / program.name, program.built(paths)
    if link.is_symlink() and Path(os.readlink(link)) == target:
        return
    paths.bin.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.symlink_to(target)
    os.replace(fresh, link)
