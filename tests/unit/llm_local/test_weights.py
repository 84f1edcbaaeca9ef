import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from yaoki.errors import ConfigurationSettingError
from yaoki.llm.local import LocalModel, LocalModelPolicy, weights

CONTENT = b"GGUF and so on"
TINY = replace(
    weights.SMOLLM2,
    name="Tiny",
    package="tiny-weights",
    version="1.0",
    file="tiny.gguf",
    size_bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


def lay(data_dir: Path, content: bytes = CONTENT) -> Path:
    """An installed package that carries the file, in the data folder."""
    root = weights.folder(data_dir)
    files = {
        "tiny_weights/tiny.gguf": content,
        "tiny_weights/__init__.py": b"raise ImportError('weights are never imported')",
        "tiny_weights-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, "tiny_weights-1.0.dist-info/RECORD"))
    for name, data in {**files, "tiny_weights-1.0.dist-info/RECORD": record.encode()}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root / "tiny_weights/tiny.gguf"


def test_weights_are_found_by_metadata_and_never_imported(tmp_path: Path) -> None:
    assert weights.locate(TINY, tmp_path) is None
    file = lay(tmp_path)
    assert weights.locate(TINY, tmp_path) == file
    assert weights.locate(TINY, None) is None


def test_missing_weights_are_refused_with_the_command_that_installs_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationSettingError, match="run: yaoki models install"):
        weights.require(TINY, tmp_path)


def test_a_whole_check_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    file = lay(tmp_path)
    assert not weights.was_checked(TINY, file, tmp_path)
    weights.require_intact(TINY, file, tmp_path)
    assert weights.was_checked(TINY, file, tmp_path)
    os.utime(file, ns=(1, 1))
    assert not weights.was_checked(TINY, file, tmp_path)


def test_a_check_that_is_not_remembered_is_made_again(tmp_path: Path) -> None:
    file = lay(tmp_path)
    weights.require_intact(TINY, file, None)
    assert not weights.was_checked(TINY, file, None)
    assert list(tmp_path.glob("*.json")) == []


def test_a_record_of_another_digest_or_without_sense_is_not_believed(tmp_path: Path) -> None:
    file = lay(tmp_path)
    weights.check(TINY, file, tmp_path)
    assert not weights.was_checked(replace(TINY, sha256="0" * 64), file, tmp_path)
    for nonsense in ("", "[]", "{", json.dumps({str(file): 3})):
        (tmp_path / "weights-checked.json").write_text(nonsense)
        assert not weights.was_checked(TINY, file, tmp_path)
    weights.require_intact(TINY, file, tmp_path)
    assert weights.was_checked(TINY, file, tmp_path)


def _longer(file: Path) -> None:
    file.write_bytes(CONTENT + b"!")


def _same_size_and_time(file: Path) -> None:
    file.write_bytes(CONTENT[::-1])


@pytest.mark.parametrize("spoil", [_longer, _same_size_and_time])
def test_damaged_weights_are_refused(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    file = lay(tmp_path)
    spoil(file)
    with pytest.raises(ConfigurationSettingError, match=r"damaged.*run: yaoki models install"):
        weights.require_intact(TINY, file, tmp_path)
    assert not weights.was_checked(TINY, file, tmp_path)


def test_a_failed_whole_check_makes_an_earlier_good_one_forgotten(tmp_path: Path) -> None:
    file = lay(tmp_path)
    weights.check(TINY, file, tmp_path)
    stat = file.stat()
    file.write_bytes(CONTENT[::-1])
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.was_checked(TINY, file, tmp_path), "size and time alone do not tell"
    assert not weights.check(TINY, file, tmp_path)
    assert not weights.was_checked(TINY, file, tmp_path)


def test_a_data_folder_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    file = lay(tmp_path)
    (tmp_path / "taken").write_text("a file where a folder should be")
    assert weights.check(TINY, file, tmp_path / "taken")
    assert not weights.was_checked(TINY, file, tmp_path / "taken")


def test_removing_leaves_nothing_of_the_package_and_everything_else(tmp_path: Path) -> None:
    file = lay(tmp_path)
    (file.parent / "__pycache__").mkdir()
    (file.parent / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"")
    other = weights.folder(tmp_path) / "other.py"
    other.write_text("")
    assert weights.remove(TINY, tmp_path) == file
    assert [path.name for path in weights.folder(tmp_path).iterdir()] == [other.name]
    assert weights.remove(TINY, tmp_path) is None


def test_removing_keeps_what_lies_outside_of_the_packages_place(tmp_path: Path) -> None:
    lay(tmp_path)
    outside = tmp_path / "precious"
    outside.write_text("mine")
    record = weights.folder(tmp_path) / "tiny_weights-1.0.dist-info/RECORD"
    record.write_text(record.read_text() + "../precious,,\n")
    weights.remove(TINY, tmp_path)
    assert outside.read_text() == "mine"


@pytest.mark.slow
def test_the_real_weights_are_the_expected_ones(weights_file: Path) -> None:
    assert weights_file.stat().st_size == weights.SMOLLM2.size_bytes
    assert weights.check(weights.SMOLLM2, weights_file, None)


async def test_a_model_does_not_serve_damaged_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, CONTENT[::-1])
    monkeypatch.setattr(weights, "SMOLLM2", TINY)
    async with LocalModel("tiny", LocalModelPolicy(data_dir=tmp_path)) as model:
        with pytest.raises(ConfigurationSettingError, match="damaged"):
            await model.wait_ready(10.0)
        assert model.pid is None
