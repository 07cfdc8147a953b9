"""Images: named by content, moved by difference, delivered where the user says."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from localcluster.paths import Paths
from localcluster.progress import StepError
from localcluster.scratch_image import write_archive
from localimages import names_file
from localimages.base_image import package_sources
from localimages.buildah import Buildah
from localimages.catalog import Image, catalog, chosen
from localimages.delivery import ThroughLoader, ToRegistry, chosen_delivery
from localimages.oci_layout import write_missing_part
from localimages.prune import nameless, outdated


@pytest.fixture
def image(tmp_path: Path) -> Image:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "main.py").write_text("print(1)\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "requirements.txt").write_text("kopf==1\n")
    return Image(
        name="operator",
        dockerfile=tmp_path / "Dockerfile",
        context=tmp_path,
        files=(tmp_path / "requirements.txt",),
        folders=(tmp_path / "program",),
    )


@pytest.mark.parametrize("changed", ["Dockerfile", "requirements.txt", "program/main.py"])
def test_whatever_goes_into_an_image_changes_its_name(image: Image, changed: str) -> None:
    before = image.reference("base")
    (image.context / changed).write_text("something else\n")
    assert image.reference("base") != before


def test_another_base_is_another_image_and_a_bystander_is_not(image: Image) -> None:
    before = image.reference("base")
    (image.context / "README.md").write_text("not copied\n")
    assert image.reference("base") == before
    assert image.reference("newer base") != before


def test_every_image_has_a_name_of_its_own_in_images_env(paths: Paths) -> None:
    variables = {image.variable for image in catalog(paths)}
    assert variables == {
        "EAGLE_OPERATOR_IMAGE",
        "EAGLE_TRAINER_IMAGE",
        "EAGLE_SERVING_IMAGE",
        "EAGLE_STORE_IMAGE",
        "EAGLE_POSTGRES_IMAGE",
    }


def test_an_unknown_image_is_refused_with_the_known_names(paths: Paths) -> None:
    with pytest.raises(StepError, match=r"operater.*operator"):
        chosen(catalog(paths), ["operater"])


def test_building_one_image_keeps_the_names_of_the_others() -> None:
    before = "EAGLE_OPERATOR_IMAGE=localhost/a:1\nEAGLE_TRAINER_IMAGE=localhost/b:1\n"
    assert names_file.merged(before, {"EAGLE_OPERATOR_IMAGE": "localhost/a:2"}) == (
        "EAGLE_OPERATOR_IMAGE=localhost/a:2\nEAGLE_TRAINER_IMAGE=localhost/b:1\n"
    )


def test_pruning_keeps_what_is_named_and_what_is_not_ours() -> None:
    names = ["localhost/eagle-trainer:old", "localhost/eagle-trainer:new", "localhost/eagle-pause:1", "other/trainer:1"]
    assert outdated(names, images={"trainer"}, kept={"localhost/eagle-trainer:new"}) == ["localhost/eagle-trainer:old"]


def test_pruning_takes_the_id_of_an_image_with_its_last_name() -> None:
    digests = {"a:old": "sha256:m1", "sha256:c1": "sha256:m1", "a:new": "sha256:m2", "sha256:c2": "sha256:m2"}
    assert nameless(digests, removed=["a:old"]) == ["sha256:c1"]
    assert nameless({**digests, "b:same": "sha256:m1"}, removed=["a:old"]) == []


def test_only_the_blobs_that_the_node_lacks_are_sent(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifest = {"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:base"}, {"digest": "sha256:code"}]}
    for name, content in (("m", json.dumps(manifest)), ("c", "{}"), ("base", "b" * 99), ("code", "print(1)")):
        (blobs / name).write_text(content)
    entry = {"digest": "sha256:m", "annotations": {"org.opencontainers.image.ref.name": "localhost/a:1"}}
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [entry]}))

    output = io.BytesIO()
    written = write_missing_part(tmp_path, "localhost/a:1", {"sha256:base"}, output)

    output.seek(0)
    with tarfile.open(fileobj=output) as archive:
        names = archive.getnames()
        member = archive.extractfile("index.json")
        assert member is not None
        index = json.load(member)
    assert names == ["oci-layout", "blobs/sha256/m", "blobs/sha256/c", "blobs/sha256/code", "index.json"]
    assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "localhost/a:1"}
    assert written == sum((blobs / name).stat().st_size for name in ("m", "c", "code"))


def test_a_scratch_image_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    archives = [tmp_path / "one.tar", tmp_path / "two.tar"]
    for target in archives:
        write_archive(target, reference="localhost/pause:1", program=program)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as archive:
        member = archive.extractfile("manifest.json")
        assert member is not None
        (manifest,) = json.load(member)
        assert manifest["RepoTags"] == ["localhost/pause:1"]
        assert set(archive.getnames()) == {manifest["Config"], *manifest["Layers"], "manifest.json"}


def test_the_base_comes_from_the_mirrors_of_this_machine() -> None:
    targets = ["Debian|http://mirror.example/debian", "Debian-Security|http://mirror.example/security"]
    assert package_sources(targets, "trixie") == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/security trixie-security main",
    ]
    assert package_sources(["Ubuntu|http://mirror.example/ubuntu"], "trixie") == []


def test_a_registry_or_a_loader_that_the_user_names_is_used(paths: Paths) -> None:
    buildah = Buildah(paths)
    user = {"KUBECONFIG": "/home/user/.kube/config"}
    registry = chosen_delivery({**user, "EAGLE_REGISTRY": "registry.example/eagle"}, paths, buildah)
    loader = chosen_delivery({**user, "EAGLE_IMAGE_LOADER": "kind load image-archive"}, paths, buildah)
    assert isinstance(registry, ToRegistry)
    assert isinstance(loader, ThroughLoader)


def test_a_cluster_of_the_users_without_a_way_for_images_is_refused(paths: Paths) -> None:
    with pytest.raises(StepError, match=r"EAGLE_REGISTRY.*EAGLE_IMAGE_LOADER"):
        chosen_delivery({"KUBECONFIG": "/home/user/.kube/config"}, paths, Buildah(paths))


def test_the_local_cluster_that_does_not_run_takes_no_images(paths: Paths) -> None:
    environment = {"KUBECONFIG": str(paths.admin_kubeconfig)}
    assert chosen_delivery(environment, paths, Buildah(paths)) is None
