"""What gets installed: metadata, types, the command, and a wheel of a decent size.

`tests/tools/python.sh` builds the wheel, installs it, and says in LIBSTUN_WHEEL where it is.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tomllib
from email.message import Message
from importlib.metadata import Distribution, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import libstun

MAX_WHEEL_BYTES = 1_000_000
WHEEL = os.environ.get("LIBSTUN_WHEEL")
needs_wheel = pytest.mark.skipif(WHEEL is None, reason="LIBSTUN_WHEEL does not say where the wheel is")


@pytest.fixture(scope="module")
def installed() -> Distribution:
    """The distribution that is installed. Run from the source tree there is none."""
    if WHEEL is None:
        pytest.skip("LIBSTUN_WHEEL does not say that a wheel was installed")
    return distribution("libstun")


def headers(installed: Distribution) -> Message:
    """Its metadata as the mail headers that they are."""
    metadata = installed.metadata
    assert isinstance(metadata, Message)
    return metadata


def toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


@needs_wheel
def test_the_tests_run_against_what_was_installed_and_not_the_sources() -> None:
    place = Path(str(libstun.__file__)).resolve()
    assert place.is_relative_to(Path(sysconfig.get_path("platlib")).resolve())


@needs_wheel
def test_the_wheel_is_small() -> None:
    assert Path(str(WHEEL)).stat().st_size < MAX_WHEEL_BYTES


@needs_wheel
def test_one_wheel_serves_many_pythons() -> None:
    if sys.version_info >= (3, 15):
        tags = "cp315-abi3.abi3t"  # with the GIL and without
    elif sysconfig.get_config_var("Py_GIL_DISABLED"):
        tags = "cp314-cp314t"  # which has no stable ABI
    else:
        tags = "cp311-abi3"
    assert re.match(rf"libstun-[\d.]+-{re.escape(tags)}-\w+\.whl$", Path(str(WHEEL)).name)


@needs_wheel
def test_the_wheel_holds_the_package_and_nothing_else() -> None:
    with ZipFile(str(WHEEL)) as wheel:
        names = wheel.namelist()
    folders = {name.partition("/")[0] for name in names}
    assert len(folders) == 2, "the package and its metadata"
    assert all(name.startswith("libstun") for name in folders)
    strange = [name for name in names if name.startswith("libstun/") and not re.search(r"\.(pyi?|so|pyd|typed)$", name)]
    assert strange == []
    assert len([name for name in names if re.search(r"\.(so|pyd)$", name)]) == 1


def test_the_package_says_that_it_is_typed() -> None:
    assert files("libstun").joinpath("py.typed").is_file()
    assert files("libstun").joinpath("_native.pyi").is_file()


def test_the_version_is_that_of_the_rust_workspace(project: Path) -> None:
    assert libstun.__version__ == toml(project / "Cargo.toml")["workspace"]["package"]["version"]


def test_the_installed_version_is_the_one_that_the_module_says(installed: Distribution) -> None:
    assert installed.version == libstun.__version__


def test_the_metadata_are_complete(installed: Distribution) -> None:
    found = headers(installed)
    assert found["Requires-Python"] == ">=3.11"
    assert found["License-Expression"] == "MIT OR Apache-2.0"
    assert set(found.get_all("License-File", [])) == {"LICENSE-APACHE", "LICENSE-MIT"}
    assert found["Author"] or found["Author-email"]
    assert found["Summary"]
    assert found["Keywords"]
    assert "Typing :: Typed" in found.get_all("Classifier", [])
    assert found.get_all("Provides-Extra") == ["cli"]


def test_the_readme_of_the_index_is_the_python_one(installed: Distribution, project: Path) -> None:
    found = headers(installed)
    body = found["Description"] or found.get_payload()
    assert str(body).strip() == (project / "python/README.md").read_text().strip()
    assert str(found["Description-Content-Type"]).startswith("text/markdown")


def test_the_library_alone_needs_nothing_else(installed: Distribution) -> None:
    assert [each for each in installed.requires or [] if "extra ==" not in each.replace("'", '"')] == []


def test_the_licenses_are_installed(installed: Distribution, project: Path) -> None:
    for name in ("LICENSE-APACHE", "LICENSE-MIT"):
        (found,) = (each for each in installed.files or [] if each.name == name)
        assert found.read_text() == (project / name).read_text()


def test_the_command_is_installed(installed: Distribution) -> None:
    (command,) = installed.entry_points.select(group="console_scripts")
    assert (command.name, command.value) == ("libstun", "libstun.cli:main")
    assert callable(command.load())


def test_both_project_files_say_the_same(project: Path) -> None:
    root, own = toml(project / "pyproject.toml"), toml(project / "python/pyproject.toml")
    assert root["project"] == own["project"]
    assert root["build-system"] == own["build-system"]
    ours, theirs = root["tool"]["maturin"], own["tool"]["maturin"]
    assert ours.pop("manifest-path") == "python/Cargo.toml"
    assert ours.pop("python-source") == f"python/{theirs.pop('python-source')}"
    assert ours == theirs
