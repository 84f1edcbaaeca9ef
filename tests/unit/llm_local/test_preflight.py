import os
from pathlib import Path

import pytest

from yaoki.errors import ConfigurationMissingExtraError, ConfigurationSettingError
from yaoki.llm.local import LocalModel, LocalModelPolicy, ModelState
from yaoki.llm.local.preflight import require_gguf, require_processor, require_runtime

OLD = "processor\t: 0\nflags\t\t: fpu sse sse2 avx f16c\n"
NEW = "processor\t: 0\nflags\t\t: fpu sse avx avx2 fma f16c bmi1 bmi2\n"


def test_a_missing_runtime_is_named_with_its_extra() -> None:
    with pytest.raises(ConfigurationMissingExtraError, match=r"yaoki\[local\]") as refusal:
        require_runtime("no_such_runtime")
    assert refusal.value.facts == {"extra": "local", "missing": "no_such_runtime"}


def test_an_old_processor_is_told_what_it_lacks(tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(OLD)
    with pytest.raises(ConfigurationSettingError, match="lacks avx2, bmi2, fma"):
        require_processor(cpu_info, "x86_64")


def test_a_processor_that_is_new_or_of_another_kind_or_unknown_may_try(tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    require_processor(cpu_info, "x86_64")
    cpu_info.write_text(OLD)
    require_processor(cpu_info, "aarch64")
    cpu_info.write_text(NEW)
    require_processor(cpu_info, "x86_64")
    cpu_info.write_text("processor\t: 0\n")
    require_processor(cpu_info, "x86_64")


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "No such file or directory"),
        (b"", "is not a GGUF file"),
        (b"<html>", "is not a GGUF file"),
    ],
)
async def test_a_file_that_cannot_be_a_model_is_refused_before_a_process_is_spawned(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "mine.gguf"
    if content is not None:
        file.write_bytes(content)
    model = LocalModel("mine", LocalModelPolicy(path=file))
    with pytest.raises(ConfigurationSettingError, match=said) as refusal:
        await model.start()
    assert str(file) in refusal.value.message
    assert "models.mine.path" in refusal.value.message
    assert model.state is ModelState.DOWN
    await model.aclose()


def test_a_folder_or_an_unreadable_file_is_refused_with_the_systems_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationSettingError, match="Is a directory"):
        require_gguf(tmp_path, "models.mine.path")
    with pytest.raises(ConfigurationSettingError, match="Input/output error"):
        require_gguf(Path("/proc/self/mem"), "models.mine.path")


def test_half_of_the_cores_are_left_for_others() -> None:
    usable = len(os.sched_getaffinity(0))
    assert LocalModelPolicy().threads_in_use == max(1, usable // 2)
    assert LocalModelPolicy(threads=3).threads_in_use == 3
