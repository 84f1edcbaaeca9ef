"""What can be known about an embedded model before a process is spawned for it."""

import platform
from importlib.util import find_spec
from pathlib import Path

from yaoki.errors import ConfigurationMissingExtraError, ConfigurationSettingError

RUNTIME = "xllamacpp"
CPU_INFO = Path("/proc/cpuinfo")
NEEDED_FLAGS = frozenset({"avx2", "fma", "f16c", "bmi2"})
_MAGIC = b"GGUF"


def require_runtime(runtime: str = RUNTIME) -> None:
    """Check that the extra is installed.

    Raises:
        ConfigurationMissingExtraError: It is not.
    """
    if find_spec(runtime) is None:
        raise ConfigurationMissingExtraError(
            "Embedded models need the extra 'local': pip install 'yaoki[local]'", extra="local", missing=runtime
        )


def require_processor(cpu_info: Path = CPU_INFO, machine: str | None = None) -> None:
    """Check that the processor knows the instructions that the runtime is compiled for. Where nothing says, it may try.

    Raises:
        ConfigurationSettingError: It lacks some.
    """
    if (machine or platform.machine()) not in ("x86_64", "AMD64") or not cpu_info.exists():
        return
    lines = cpu_info.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), NEEDED_FLAGS)
    missing = sorted(NEEDED_FLAGS - flags)
    if missing:
        raise ConfigurationSettingError(
            f"This processor lacks {', '.join(missing)}, which embedded models need: "
            "name a model of a provider or of Ollama in the settings instead.",
            missing=missing,
        )


def require_gguf(path: Path, setting: str) -> None:
    """Check that the file can be read and begins as GGUF files do.

    Raises:
        ConfigurationSettingError: Names the file, the setting, and what to do.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise unusable(path, setting, f"cannot be read: {error.strerror}") from error
    if magic != _MAGIC:
        raise unusable(path, setting, "is not a GGUF file")


def unusable(path: Path, setting: str, what: str) -> ConfigurationSettingError:
    """An error about the file of a model: which one, what is wrong, what to do."""
    return ConfigurationSettingError(
        f"{path} {what}; let {setting} name a readable GGUF file, or remove it to use the embedded weights.",
        file=str(path),
        setting=setting,
    )
