from collections.abc import Callable
from pathlib import Path

import pytest

from yaoki.resilience.registry import Guards
from yaoki.settings import Settings, load

EXAMPLES = Path(__file__).parents[3] / "examples"

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "yaoki.toml"
        path.write_text(text)
        return path

    return to_file


def test_without_a_file_everything_is_local_and_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(environ={"HOME": "/home/ada"})
    assert settings.source is None
    assert settings.server.url == "http://127.0.0.1:8400"
    assert settings.store.path == Path("/home/ada/.local/share/yaoki/yaoki.db")
    assert settings.default_agent == "default"
    assert settings.chain_of(settings.agents["default"].model) == ("smollm2", "smollm2-standby")
    assert all(model.provider == "local" and not model.path for model in settings.models.values())


def test_an_answer_of_the_embedded_model_leaves_room_for_the_conversation() -> None:
    model = load(environ={}).models["smollm2"]
    assert model.max_output_tokens < model.context_tokens


def test_the_data_folder_follows_xdg_unless_it_is_relative() -> None:
    assert load(environ={"XDG_DATA_HOME": "/data"}).store.path == Path("/data/yaoki/yaoki.db")
    assert load(environ={"XDG_DATA_HOME": "data", "HOME": "/h"}).data_dir == Path("/h/.local/share/yaoki")


def test_the_named_file_wins_over_the_variable_and_that_over_the_current_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write("[server]\nport = 1001\n")
    by_variable = tmp_path / "variable.toml"
    by_variable.write_text("[server]\nport = 1002\n")
    by_name = tmp_path / "name.toml"
    by_name.write_text("[server]\nport = 1003\n")
    environ = {"YAOKI_CONFIG": str(by_variable)}
    assert load(environ={}).server.port == 1001
    assert load(environ=environ).server.port == 1002
    assert load(by_name, environ).server.port == 1003


def test_the_environment_overrides_scalars(write: Write) -> None:
    path = write('[server]\nport = 1001\n[store]\nurl = "sqlite:////from/file.db"\n')
    environ = {
        "YAOKI_SERVER__PORT": "9000",
        "YAOKI_SERVER__HOST": "::1",
        "YAOKI_STORE__URL": "sqlite:////from/variable.db",
        "YAOKI_LIMITS__HEARTBEAT_S": "0.5",
        "YAOKI_AUTH__V1": "keys",
        "YAOKI_SOMETHING_ELSE": "not a setting, and not like one",
        "HOME": "/h",
    }
    settings = load(path, environ)
    assert settings.server.url == "http://[::1]:9000"
    assert settings.auth.v1 == "keys"
    assert settings.store.path == Path("/from/variable.db")
    assert settings.limits.heartbeat_s == 0.5


def test_text_that_looks_like_a_number_stays_text_where_text_is_wanted() -> None:
    assert load(environ={"YAOKI_STORE__URL": "sqlite:////1"}).store.path == Path("/1")


def test_a_variable_that_holds_a_key_may_have_our_prefix(write: Write) -> None:
    path = write('[models.a]\nprovider = "openai"\nmodel = "a"\napi_key_env = "YAOKI_A__KEY"\n')
    assert load(path, {"YAOKI_A__KEY": "secret"}).secret_variables() == ("YAOKI_A__KEY",)


def test_relative_paths_count_from_the_file(write: Write) -> None:
    path = write('[store]\nurl = "sqlite:///data/y.db"\n[models.m]\nprovider = "local"\npath = "m.gguf"\n')
    settings = load(path, {})
    assert settings.store.path == path.parent / "data" / "y.db"
    assert settings.models["m"].path == str(path.parent / "m.gguf")


def test_an_agent_is_made_for_the_first_model_if_none_is_named(write: Write) -> None:
    settings = load(write('[models.b]\nprovider = "local"\n[models.a]\nprovider = "local"\n'), {})
    assert {name: agent.model for name, agent in settings.agents.items()} == {"default": "b"}


def test_the_first_agent_is_the_default_if_none_has_that_name(write: Write) -> None:
    settings = load(write('[agents.poet]\nmodel = "smollm2"\n[agents.clerk]\nmodel = "smollm2"\n'), {})
    assert settings.default_agent == "poet"


def _chain(write: Write, fallbacks: dict[str, list[str]], name: str) -> tuple[str, ...]:
    tables = [f'[models."{n}"]\nprovider = "local"\nfallbacks = {f!r}\n' for n, f in fallbacks.items()]
    return load(write("".join(tables)), {}).chain_of(name)


def test_fallbacks_of_a_circle_are_each_visited_once(write: Write) -> None:
    fallbacks = {"llama3.2": ["llama3.1", "llama2"], "llama3.1": ["llama3.2", "llama2"], "llama2": []}
    assert _chain(write, fallbacks, "llama3.2") == ("llama3.2", "llama3.1", "llama2")
    assert _chain(write, fallbacks, "llama3.1") == ("llama3.1", "llama3.2", "llama2")
    assert _chain(write, fallbacks, "llama2") == ("llama2",)


def test_fallbacks_are_followed_transitively_and_a_models_own_come_first(write: Write) -> None:
    fallbacks = {"a": ["b", "c"], "b": ["d"], "c": ["e", "a"], "d": [], "e": ["e"]}
    assert _chain(write, fallbacks, "a") == ("a", "b", "c", "d", "e")


def test_breakers_fall_back_to_the_default_one(write: Write) -> None:
    path = write("[breakers.default]\nthreshold = 7\n[breakers.smollm2]\nbreak_s = 5\n")
    settings = load(path, {})
    assert (settings.breaker("smollm2").threshold, settings.breaker("smollm2").break_s) == (5, 5)
    assert settings.breaker("smollm2-standby").policy().threshold == 7


def test_named_policies_reach_what_was_made_before_the_settings_were_read(write: Write) -> None:
    guards = Guards()
    breaker, bulkhead, retry = guards.breakers.get("a"), guards.bulkheads.get("a"), guards.retries.get("a")
    text = (
        "[breakers.a]\nthreshold = 2\n[bulkheads.default]\nmax_concurrent = 3\n"
        '[retry.a]\nmax_attempts = 4\nbackoff = "linear"\n[retry.b]\ndelay_s = 0\n'
    )
    load(write(text), {}).configure(guards)
    assert breaker.policy.threshold == 2
    assert bulkhead.policy.max_concurrent == 3
    assert (retry.policy.max_attempts, retry.policy.backoff) == (4, "linear")
    assert guards.retries.get("b").policy.delay_s == 0


def test_policies_carry_what_the_file_says(write: Write) -> None:
    text = '[models.m]\nprovider = "openai"\nmodel = "m"\nfirst_token_timeout_s = 3\ncontinuation = "off"\n'
    text += "hedge_share = 0.05\n"
    policy = load(write(text), {}).models["m"].candidate_policy()
    assert (policy.first_token_timeout_s, policy.idle_timeout_s, policy.continuation) == (3.0, 5.0, "off")
    assert policy.hedge_share == 0.05


def test_what_a_model_does_at_its_ends_and_with_several_keys(write: Write) -> None:
    text = (
        '[models.m]\nprovider = "openai"\nmodel = "m"\napi_key_env = "ONE"\nmore_api_key_envs = ["YAOKI_TWO__KEY"]\n'
        'on_output_limit = "continue"\non_filter = "n"\ncontext_tokens = 8000\n'
        '[models.n]\nprovider = "openai"\nmodel = "n"\n[limits]\nturn_tokens = 5000\nturn_usd = 0.5\n'
        '[agents.default]\nmodel = "m"\nlanguage = "de"\n[cache]\nttl_s = 60\nmax_entries = 5\n'
    )
    settings = load(write(text), {"YAOKI_TWO__KEY": "k"})
    model = settings.models["m"]
    assert (model.key_variables, model.on_output_limit, model.on_filter) == (
        ("ONE", "YAOKI_TWO__KEY"),
        "continue",
        "n",
    )
    assert (model.candidate_policy().context_tokens, settings.models["n"].candidate_policy().context_tokens) == (
        8000,
        None,
    )
    assert settings.secret_variables() == ("ONE", "YAOKI_TWO__KEY")
    assert [problem.key for problem in settings.missing({"ONE": "k"})] == ["models.m.more_api_key_envs"]
    assert (settings.limits.turn_tokens, settings.limits.turn_usd, settings.agents["default"].language) == (
        5000,
        0.5,
        "de",
    )
    assert (settings.cache.policy().ttl_s, settings.cache.policy().max_entries) == (60, 5)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.toml")))
def test_every_example_loads(name: str) -> None:
    assert isinstance(load(EXAMPLES / name, {}), Settings)


def test_the_ollama_example_is_the_chain_of_the_documents() -> None:
    settings = load(EXAMPLES / "ollama.toml", {})
    assert settings.chain_of(settings.agents["default"].model) == ("llama3.2", "llama3.1", "llama2")


def test_settings_do_not_import_an_agent_framework_or_a_server() -> None:
    import subprocess
    import sys

    code = "import sys, yaoki.settings; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic_ai", "openai", "fastapi", "uvicorn", "sqlalchemy", "httpx2"} & set(names)
