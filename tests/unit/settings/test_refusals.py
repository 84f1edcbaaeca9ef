"""P11: bad configuration is refused with file, key and reason, all of it at once."""

from pathlib import Path

import pytest

from yaoki.errors import ConfigurationError, ConfigurationSettingError, ConfigurationUnknownModelError
from yaoki.settings import load

MODEL = '[models.m]\nprovider = "openai"\nmodel = "m"\n'


def refused(path: Path, environ: dict[str, str] | None = None) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(path, environ or {})
    return caught.value


@pytest.mark.requirement("P11")
@pytest.mark.parametrize(
    "text, key, reason",
    [
        ("[server]\nprot = 1\n", "server.prot", 'is not a setting; did you mean "port"?'),
        ("[sever]\nport = 1\n", "sever", 'is not a section; did you mean "server"?'),
        ("[wholly_unlike]\n", "wholly_unlike", "known: server, store, limits"),
        ("server = 1\n", "server", "must be a section: [server]."),
        ('[server]\nport = "8400"\n', "server.port", "must be a whole number."),
        ("[server]\nport = true\n", "server.port", "must be a whole number."),
        ("[server]\nport = 70000\n", "server.port", "must be at most 65535."),
        ("[server]\nport = -1\n", "server.port", "must be at least 0."),
        ('[server]\nhost = ""\n', "server.host", "must not be empty."),
        ('[server]\nhost = "0.0.0.0"\n', "server.host", "no authentication yet"),
        ('[server]\nhost = "example.org"\n', "server.host", "must be a loopback address"),
        ('[store]\nurl = "postgresql://db/y"\n', "store.url", "Postgres is not available in this version"),
        ('[store]\nurl = "y.db"\n', "store.url", "must be sqlite:///path/to/yaoki.db"),
        ('[store]\nurl = "sqlite:///"\n', "store.url", "must be sqlite:///path/to/yaoki.db"),
        ("[store]\nurl = 3\n", "store.url", "must be text in quotes."),
        ('[store]\nredis_url = "redis://x"\n', "store.redis_url", "the hot tier, which this version does not have yet"),
        ("[limits]\nheartbeat_s = 0\n", "limits.heartbeat_s", "must be at least 0.1."),
        ("[limits]\nsend_timeout_s = inf\n", "limits.send_timeout_s", "must be a finite number."),
        ("[limits]\nsend_timeout_s = nan\n", "limits.send_timeout_s", "must be a finite number."),
        ("[limits]\nturn_attempts = 1.5\n", "limits.turn_attempts", "must be a whole number."),
        ("[models]\nm = 1\n", "models.m", "must be a table: [models.m]."),
        ("[models.m]\n", "models.m.provider", "is missing."),
        (
            '[models.m]\nprovider = "openal"\n',
            "models.m.provider",
            "must be one of 'openai', 'local', 'anthropic', 'google', 'groq', 'mistral', 'cohere' or 'bedrock'.",
        ),
        ('[models.m]\nprovider = "openai"\n', "models.m", 'needs model = "…"'),
        ('[models."m 1"]\nprovider = 1\n', 'models."m 1".provider', "must be one of"),
        ('[models.m]\nprovider = "local"\nbase_url = "http://x"\n', "models.m", "does not take base_url"),
        (f'{MODEL}path = "x.gguf"\n', "models.m", "does not take path"),
        (f'{MODEL}base_url = "127.0.0.1:11434"\n', "models.m.base_url", "must begin with http:// or https://"),
        (f'{MODEL}base_url = "http://me:pw@x/v1"\n', "models.m.base_url", "must not hold credentials"),
        (f'{MODEL}base_url = "http://[x/v1"\n', "models.m.base_url", "is not a web address"),
        (f'{MODEL}api_key = "sk-1"\n', "models.m.api_key", 'did you mean "api_key_env"?'),
        (f'{MODEL}api_key_env = "sk-1"\n', "models.m.api_key_env", "must be the name of an environment variable"),
        (f'{MODEL}fallbacks = "m"\n', "models.m.fallbacks", "must be a list."),
        (f"{MODEL}fallbacks = [1]\n", "models.m.fallbacks.0", "must be text in quotes."),
        (f"{MODEL}idle_timeout_s = 0\n", "models.m.idle_timeout_s", "must be greater than 0."),
        (f'{MODEL}continuation = "on"\n', "models.m.continuation", "must be one of 'auto'"),
        ("[agents.a]\n", "agents.a.model", "is missing."),
        ('[agents.a]\nmodel = "smollm2"\nmcp_servers = ["t"]\n', "agents.a.mcp_servers", "MCP tool servers"),
        ("[breakers.b]\nthreshold = 0\n", "breakers.b.threshold", "must be at least 1."),
        ("[breakers.b]\nslow_ratio = 0.5\n", "breakers.b", "slow_call_s"),
        ("[breakers.b]\nfailure_ratio = 2\n", "breakers.b.failure_ratio", "must be at most 1."),
        ('[retry.r]\nbackoff = "wild"\n', "retry.r.backoff", "must be one of 'exponential'"),
        ("[bulkheads.b]\nmax_queued = -1\n", "bulkheads.b.max_queued", "must be at least 0."),
        ('[models.m]\nprovider = "local"\nmax_output_tokens = 4096\n', "models.m", "must be below 4096"),
        ("[recovery.a]\n", "recovery", "which this version does not have yet"),
        ('[auth]\nv1 = "closed"\n', "auth.v1", "must be one of 'open'"),
        ("[auth]\njwt = {issuer = 'x'}\n", "auth.jwt", "authentication by JWT, which this version does not have yet"),
        ("[auth]\nhosts = ['x']\n", "auth.hosts", "which this version does not have yet"),
        ("[mcp_servers.time]\n", "mcp_servers", "MCP tool servers, which this version does not have yet"),
        ("[voice]\n", "voice", "which this version does not have yet"),
        ("[alerts]\n", "alerts", "which this version does not have yet"),
        ("[learning]\n", "learning", "which this version does not have yet"),
        ("[server\n", "", "is not valid TOML"),
        ("[server]\nport = 1\nport = 2\n", "", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_remedy(tmp_path: Path, text: str, key: str, reason: str) -> None:
    path = tmp_path / "yaoki.toml"
    path.write_text(text)
    error = refused(path)
    (line,) = [
        line for line in error.message.splitlines() if line.startswith(f"{path}: {key}: " if key else f"{path}: ")
    ]
    assert reason in line
    assert "\n" not in line


@pytest.mark.requirement("P11")
def test_names_of_models_that_do_not_exist_are_an_error_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "yaoki.toml"
    path.write_text(
        '[models."llama3.2"]\nprovider = "openai"\nmodel = "x"\nfallbacks = ["lama2", "smollm2"]\n'
        '[models.llama2]\nprovider = "local"\n[agents.default]\nmodel = "llama3"\n'
    )
    error = refused(path)
    assert isinstance(error, ConfigurationUnknownModelError)
    embedded = 'add [models.smollm2] with provider = "local" to have the embedded one.'
    assert error.message.splitlines() == [
        f'{path}: models."llama3.2".fallbacks: there is no model "lama2"; did you mean "llama2"?',
        f'{path}: models."llama3.2".fallbacks: there is no model "smollm2"; {embedded}',
        f'{path}: agents.default.model: there is no model "llama3"; did you mean "llama3.2"?',
    ]


@pytest.mark.requirement("P11")
def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "yaoki.toml"
    path.write_text('[server]\nport = -1\nprot = 1\n[voice]\n[agents.a]\nmodel = "none"\n[agents.b]\nx = 1\n')
    error = refused(path, {"YAOKI_LIMITS__DRAIN_S": "soon"})
    assert isinstance(error, ConfigurationSettingError)
    facts = error.facts["problems"]
    assert isinstance(facts, list)
    assert [fact["key"] for fact in facts] == [
        "voice",
        "agents.a.model",
        "server.port",
        "server.prot",
        "",
        "agents.b.model",
        "agents.b.x",
    ]
    assert len(error.message.splitlines()) == len(facts)


@pytest.mark.requirement("P11")
@pytest.mark.parametrize(
    "variable, value, reason",
    [
        ("YAOKI_SERVER__PORT", "many", "must be a whole number."),
        ("YAOKI_SERVER__PORT", "70000", "must be at most 65535."),
        ("YAOKI_SERVER__HOST", "0.0.0.0", "must be a loopback address"),
        ("YAOKI_SERVER__PROT", "1", 'did you mean "YAOKI_SERVER__PORT"?'),
        ("YAOKI_SERVER_PORT", "1", 'did you mean "YAOKI_SERVER__PORT"?'),
        ("YAOKI_MODELS__M__MODEL", "x", "only the settings file"),
        ("YAOKI_AUTH__V1", "closed", "must be one of 'open'"),
        ("YAOKI_AUTH__JWT", "x", "authentication by JWT, which this version does not have yet"),
        ("YAOKI_STORE__REDIS_URL", "redis://x", "the hot tier, which this version does not have yet"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(tmp_path: Path, variable: str, value: str, reason: str) -> None:
    path = tmp_path / "yaoki.toml"
    path.write_text("")
    message = refused(path, {variable: value}).message
    assert message.startswith(f"environment variable {variable}: ")
    assert reason in message


@pytest.mark.requirement("P11")
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert refused(missing).message == f"{missing}: cannot be read (no such file or directory)."
    assert "cannot be read (is a directory)" in refused(tmp_path).message
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert "not UTF-8 text" in refused(binary).message


@pytest.mark.requirement("P11", "X10")
def test_no_message_repeats_a_value_that_may_be_a_secret(tmp_path: Path) -> None:
    canary = "sk-canary-4711"
    path = tmp_path / "yaoki.toml"
    path.write_text(
        f'[models.a]\nprovider = "openai"\nmodel = "a"\napi_key = "{canary}"\n'
        f'[models.b]\nprovider = "openai"\nmodel = "b"\napi_key_env = "{canary}"\n'
        f'[models.c]\nprovider = "{canary}"\nmodel = "c"\nbase_url = "http://u:{canary}@x"\n'
        f'[store]\nurl = "postgresql://u:{canary}@db/y"\nredis_url = "redis://u:{canary}@x"\n'
    )
    error = refused(path, {"YAOKI_SERVER__PORT": canary})
    assert canary not in error.message
    assert canary not in repr(error.facts)


@pytest.mark.requirement("P11")
def test_a_key_or_a_file_that_is_missing_is_named_before_the_start(tmp_path: Path) -> None:
    path = tmp_path / "yaoki.toml"
    path.write_text(
        '[models.a]\nprovider = "openai"\nmodel = "a"\napi_key_env = "A_KEY"\n'
        '[models.b]\nprovider = "local"\npath = "none.gguf"\n'
    )
    settings = load(path, {})
    with pytest.raises(ConfigurationSettingError) as caught:
        settings.require_all({})
    assert caught.value.message.splitlines() == [
        f"{path}: models.a.api_key_env: the environment variable A_KEY is not set; export the key before the start.",
        f"{path}: models.b.path: there is no file {tmp_path / 'none.gguf'}; give the path of a GGUF file.",
    ]
    (tmp_path / "none.gguf").touch()
    settings.require_all({"A_KEY": "secret"})
