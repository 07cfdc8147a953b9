"""One folder holds everything, and the user may choose it."""

from pathlib import Path

from localcluster.paths import Paths, home_folder


def test_an_explicit_home_wins_over_the_cache_folder() -> None:
    assert home_folder({"EAGLE_HOME": "/data/eagle", "XDG_CACHE_HOME": "/cache"}) == Path("/data/eagle")


def test_the_cache_folder_of_the_user_is_the_default() -> None:
    assert home_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/eagle")
    assert home_folder({}) == Path.home() / ".cache" / "eagle"


def test_caches_lie_outside_of_the_folder_that_is_thrown_away() -> None:
    paths = Paths(Path("/home"))
    for cache in (paths.bin, paths.program_store, paths.node_images, paths.image_store, paths.images_env):
        assert not cache.is_relative_to(paths.cluster)
