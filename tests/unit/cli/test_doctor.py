import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.unit.cli.scripted_server import ScriptedServer, says, scripted_server
from yaoki.app import hosted
from yaoki.cli.doctor import doctor as command
from yaoki.cli.doctor.doctor import examine
from yaoki.cli.doctor.findings import Finding
from yaoki.cli.doctor.models import offers
from yaoki.cli.globals import Globals
from yaoki.settings import load
from yaoki.store.store import open_store

LIST = {"data": [{"id": "llama3.2:latest"}, {"id": "llama2"}]}


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as scripted:
        scripted.on("GET /v1/models", says(200, LIST))
        scripted.on("POST /v1/chat/completions", says(500, {"error": "not today"}))
        yield scripted


@pytest.fixture
def port() -> int:
    return free_port()


class Patient:
    """A settings file and what the doctor finds, as `part: status`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.file = folder / "yaoki.toml"
        self.head = f'[server]\nport = {port}\n[store]\nurl = "sqlite:///{folder / "yaoki.db"}"\n'

    def settings(self, text: str) -> None:
        self.file.write_text(self.head + text)

    async def examined(self, environ: Mapping[str, str] | None = None) -> dict[str, Finding]:
        found = await examine(Globals(config=self.file), environ or {})
        return {finding.part: finding for finding in found if finding.part != "offer"}


@pytest.fixture
def patient(tmp_path: Path, port: int) -> Patient:
    return Patient(tmp_path, port)


def model(name: str, base_url: str, more: str = "") -> str:
    return f'[models."{name}"]\nprovider = "openai"\nmodel = "{name}"\nbase_url = "{base_url}"\n{more}\n'


async def test_a_model_that_its_provider_lists_is_fine_with_or_without_a_tag(
    patient: Patient, provider: ScriptedServer
) -> None:
    base_url = f"{provider.address}/v1"
    patient.settings(model("llama3.2", base_url, 'fallbacks = ["llama2"]') + model("llama2", base_url))
    found = await patient.examined()
    assert {part: finding.status for part, finding in found.items()} == {
        "settings": "ok",
        "store": "ok",
        "server": "ok",
        "model llama3.2": "ok",
        "model llama2": "ok",
    }


async def test_a_fallback_that_is_down_is_a_warning_and_an_agent_without_any_model_a_failure(
    patient: Patient, provider: ScriptedServer, port: int
) -> None:
    nowhere = f"http://127.0.0.1:{port}/v1"
    patient.settings(
        model("llama2", f"{provider.address}/v1", 'fallbacks = ["b"]')
        + model("b", nowhere)
        + model("c", nowhere)
        + '[agents.a]\nmodel = "llama2"\n[agents.lost]\nmodel = "b"\n'
    )
    found = await patient.examined()
    assert found["model b"].status == "warning"
    assert found["model c"].status == "note"
    assert "agent a" not in found
    assert found["agent lost"].status == "failure"


@pytest.mark.parametrize(
    "status, body, reason",
    [
        (401, {"error": "no"}, "refuses the key in A_KEY"),
        (403, {"error": "no"}, "refuses the key in A_KEY"),
        (200, {"hello": "world"}, "something else than models"),
        (200, {"data": [{"id": "other"}]}, 'does not have "a"'),
        (500, {"error": "no"}, "something else than models"),
    ],
)
async def test_what_is_wrong_with_a_provider_is_told_without_the_key(
    patient: Patient, provider: ScriptedServer, status: int, body: object, reason: str
) -> None:
    provider.on("GET /v1/models", says(status, body))
    patient.settings(model("a", f"{provider.address}/v1", 'api_key_env = "A_KEY"'))
    found = await patient.examined({"A_KEY": "canary-4711"})
    assert reason in found["model a"].found
    assert found["model a"].remedy
    assert provider.requests[0].headers["authorization"] == "Bearer canary-4711"
    assert "canary" not in str(found)


async def test_a_provider_that_does_not_list_its_models_is_trusted(patient: Patient, provider: ScriptedServer) -> None:
    provider.on("GET /v1/models", says(404, {}))
    patient.settings(model("a", f"{provider.address}/v1"))
    assert (await patient.examined())["model a"].status == "ok"


async def test_anthropic_is_asked_in_its_own_way(patient: Patient, provider: ScriptedServer) -> None:
    provider.on("GET /v1/models", says(200, {"data": [{"id": "a"}]}))
    patient.settings(model("a", provider.address, 'api_key_env = "A_KEY"').replace('"openai"', '"anthropic"'))
    assert (await patient.examined({"A_KEY": "canary-4711"}))["model a"].status == "ok"
    headers = provider.requests[0].headers
    assert headers["x-api-key"] == "canary-4711"
    assert "authorization" not in headers


async def test_a_provider_whose_sdk_is_missing_is_a_failure_that_says_what_to_install(
    patient: Patient, provider: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "groq", None)  # as if it were not installed
    patient.settings(model("a", provider.address, 'api_key_env = "A_KEY"').replace('"openai"', '"groq"'))
    found = (await patient.examined({"A_KEY": "canary-4711"}))["model a"]
    assert (found.status, "yaoki[groq]" in found.found) == ("failure", True)
    assert provider.requests == []


async def test_a_key_that_is_not_set_is_a_failure(patient: Patient, provider: ScriptedServer) -> None:
    patient.settings(model("llama2", f"{provider.address}/v1", 'api_key_env = "A_KEY"'))
    found = await patient.examined()
    assert found["settings"].status == "failure"
    assert "A_KEY is not set" in found["settings"].found


@pytest.mark.requirement("P11")
async def test_wrong_settings_are_all_that_is_told(patient: Patient) -> None:
    patient.settings("[voice]\n[sever]\n")
    found = await examine(Globals(config=patient.file), {})
    assert [finding.status for finding in found] == ["failure", "failure"]


async def test_a_port_that_somebody_else_uses_is_a_failure(patient: Patient, provider: ScriptedServer) -> None:
    patient.head = patient.head.replace("port = ", f"port = {provider.address.rpartition(':')[2]} #")
    patient.settings(model("llama2", f"{provider.address}/v1"))
    assert (await patient.examined())["server"].status == "failure"


async def test_a_running_server_is_found_with_its_address(patient: Patient, provider: ScriptedServer) -> None:
    patient.settings(model("llama2", f"{provider.address}/v1"))
    async with hosted(load(patient.file, {})) as address:
        found = await patient.examined()
    assert found["server"].status == "ok"
    assert address in found["server"].found
    assert found["store"].status == "ok"


async def test_another_programs_database_is_a_failure(patient: Patient, provider: ScriptedServer) -> None:
    patient.settings(model("llama2", f"{provider.address}/v1"))
    (patient.file.parent / "yaoki.db").write_bytes(b"not a database, but longer than nothing at all")
    assert (await patient.examined())["store"].status == "failure"


async def test_keys_are_told_of_where_they_matter(patient: Patient, provider: ScriptedServer) -> None:
    models = model("llama2", f"{provider.address}/v1")
    wanted = f'{models}[auth]\nv1 = "keys"\n'
    patient.settings(wanted)
    assert (await patient.examined())["keys"].remedy == "Make one: yaoki keys create NAME."
    store = await open_store(patient.file.parent / "yaoki.db")
    await store.api_keys.create("ann", "ann")
    assert (await patient.examined())["keys"].found == "the base URL wants one; valid: 1"
    patient.settings(models)
    assert (await patient.examined())["keys"].status == "note"
    await store.api_keys.revoke("ann")
    await store.aclose()
    assert "keys" not in await patient.examined()


async def test_what_is_there_and_unused_is_offered(patient: Patient, provider: ScriptedServer) -> None:
    patient.settings(model("a", "http://127.0.0.1:1/v1", 'api_key_env = "OPENAI_API_KEY"'))
    settings = load(patient.file, {})
    environ = {"OPENAI_API_KEY": "canary-1", "GROQ_API_KEY": "canary-2"}
    found = await offers(settings, environ, ollama=provider.address)
    assert [finding.status for finding in found] == ["note", "note"]
    assert "llama3.2:latest" in found[0].found
    assert "GROQ_API_KEY" in found[1].found
    assert "canary" not in str(found)


async def test_an_ollama_that_is_configured_is_not_offered(patient: Patient, provider: ScriptedServer) -> None:
    patient.settings(model("llama2", f"{provider.address}/v1"))
    assert await offers(load(patient.file, {}), {}, ollama=provider.address) == []


def test_the_exit_code_says_whether_all_that_is_needed_works(
    patient: Patient, capsys: pytest.CaptureFixture[str]
) -> None:
    patient.settings("[voice]\n")
    assert command.doctor(Globals(config=patient.file), as_json=True, environ={}) == 1
    assert json.loads(capsys.readouterr().out)["healthy"] is False


@pytest.mark.slow
async def test_the_embedded_models_are_tried_out(patient: Patient) -> None:
    patient.settings("")
    found = await patient.examined()
    parts = ["processor", "runtime", "weights", "model smollm2", "model smollm2-standby"]
    assert [found[part].status for part in parts] == ["ok"] * 5
