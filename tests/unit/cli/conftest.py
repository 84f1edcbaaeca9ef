from pathlib import Path

import pytest

from tests.ports import free_port
from tests.unit.cli.terminal import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A user whose server, if one is started, listens on a port that was free a moment ago."""
    return Home(tmp_path, {"YAOKI_SERVER__PORT": str(free_port())})


def chain(*base_urls: str) -> str:
    """Settings with a model for each address, named a, b, c … in the order of the chain."""
    names = [chr(ord("a") + n) for n in range(len(base_urls))]
    tables = [
        f'[models.{name}]\nprovider = "openai"\nmodel = "{name}"\nbase_url = "{url}"\n'
        f"idle_timeout_s = 30\nfallbacks = {names[n + 1 :]!r}\n"
        for n, (name, url) in enumerate(zip(names, base_urls, strict=True))
    ]
    return "".join(tables)
