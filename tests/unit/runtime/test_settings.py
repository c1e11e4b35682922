"""The settings: what is taken, what is refused, and what the operator is told."""

import re
from pathlib import Path

import pytest

from swpt_accounts.runtime.readers import amqp_nodes, user_of
from swpt_accounts.runtime.settings import Settings, SettingsError, load
from swpt_accounts.runtime.variables import REQUIRED, render, variables

DATABASE = {"POSTGRES_URL": "postgresql://u@h/d"}
TOP = Path(__file__).parents[3]
SHARD = {
    "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "1.#",
    "FETCH_API_URL": "http://router",
    "INTERNAL_USER": "guest",
}


def problems(**environ):
    """The lines that an environment with a database is refused with."""
    with pytest.raises(SettingsError) as refusal:
        load(DATABASE | environ)
    assert str(refusal.value) == "\n".join(refusal.value.problems)
    return refusal.value.problems


def test_the_database_is_all_that_must_be_set():
    """With nothing but POSTGRES_URL every setting has the default of the rules."""
    settings = load(DATABASE)
    assert settings == Settings(postgres_url="postgresql://u@h/d")
    assert settings.warnings == settings.unsafe == ()


def test_a_missing_database_is_shown():
    """Without POSTGRES_URL the program says that it is missing and what it looks like."""
    with pytest.raises(SettingsError) as refusal:
        load({})
    assert refusal.value.problems == [
        "POSTGRES_URL is not set: set it. The database: postgresql://user:password@host:port/database."
    ]
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_config_delay", 604800.0),
        ("account_update_ttl", 604800),
        ("rate_change_min_interval", 691200.0),
    ],
)
def test_derived_values_have_the_defaults_of_the_rules(name, value):
    """Values that cannot be set follow from those that can."""
    assert getattr(load(DATABASE), name) == value


def test_the_ttl_is_in_whole_seconds():
    """A fraction in MESSAGE_MAX_DELAY is dropped from the ttl of AccountUpdate."""
    settings = load(DATABASE | {"MESSAGE_MAX_DELAY": "86400.75"})
    assert settings.account_update_ttl == 86400
    assert settings.max_config_delay == 86400.75


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, False) for text in ("", "0", "false", "off", "no")),
        *((text, True) for text in ("1", "true", "on", "yes")),
    ],
)
def test_a_switch_has_nine_spellings(text, value):
    """Yes and no are read in the spellings of the rules."""
    assert load(DATABASE | {"DELETE_FOREIGN_RECORDS": text}).delete_foreign_records is value


# What is refused however unsafe the operator wants to be: the form is wrong, or nothing could work.
FORMS = [
    ("DELETE_FOREIGN_RECORDS", "True", "must be one of 1, true, on, yes"),
    ("DELETE_FOREIGN_RECORDS", "y", "must be one of"),
    ("ACCOUNT_UPDATE_DELAY", "nan", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "inf", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "-inf", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "1e400", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "1s", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "1_0", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "1,5", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "１", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "5\n", "must be a number of seconds"),
    ("ACCOUNT_UPDATE_DELAY", "-1", "must be at least 0"),
    ("ACCOUNTS_SCAN_INTERVAL", "0", "must be greater than 0"),
    ("FETCH_TIMEOUT", "0", "must be greater than 0"),
    ("PUBLISH_CONFIRM_TIMEOUT", "0", "must be greater than 0"),
    ("CAPITALIZATION_MIN_RATIO", "0", "must be greater than 0"),
    ("CAPITALIZATION_MIN_RATIO", "1.5", "at most 1"),
    ("COMMIT_PERIOD", "7776000.0", "must be a whole number"),
    ("COMMIT_PERIOD", "2147483648", "at most 2147483647"),
    ("COMMIT_PERIOD", "9" * 5000, "must be a whole number"),
    ("TRANSFER_NOTE_MAX_BYTES", "501", "at most 500"),
    ("TRANSFER_NOTE_MAX_BYTES", "-1", "must be at least 0"),
    ("MAX_PREPARED_TRANSFERS", "0", "must be at least 1"),
    ("DELETION_DUST_AMOUNT", "9223372036854775808", "at most 9223372036854775807"),
    ("DELETION_DUST_AMOUNT", "0.5", "must be a whole number"),
    ("MAX_DELIVERY_ATTEMPTS", "0", "must be at least 1"),
    ("PROTOCOL_BROKER_PREFETCH_COUNT", "65536", "at most 65535"),
    ("WEBSERVER_PORT", "0", "must be at least 1"),
    ("WEBSERVER_PORT", "65536", "at most 65535"),
    ("WEBSERVER_PORT", "http", "must be a whole number"),
    ("WEBSERVER_BIND", "", "must be the address or name of a network interface"),
    ("WEBSERVER_BIND", "a b", "must be the address or name of a network interface"),
    ("PROTOCOL_BROKER_QUEUE_ROUTING_KEY", "", "must be `#`"),
    ("PROTOCOL_BROKER_QUEUE_ROUTING_KEY", "*", "must be `#`"),
    ("PROTOCOL_BROKER_QUEUE_ROUTING_KEY", "2.#", "must be `#`"),
    ("PROTOCOL_BROKER_QUEUE_ROUTING_KEY", "0.1", "must be `#`"),
    ("PROTOCOL_BROKER_QUEUE_ROUTING_KEY", "0.1.#\n", "must be `#`"),
    ("PROTOCOL_BROKER_QUEUE_ROUTING_KEY", "0." * 21 + "#", "must be `#`"),
    ("PROTOCOL_BROKER_QUEUE", "", "must be a name"),
    ("PROTOCOL_BROKER_QUEUE", "q" * 253, "must be a name"),
    ("PROTOCOL_BROKER_QUEUE", "creditors_in", "belongs to agents"),
    ("PROTOCOL_BROKER_QUEUE", "to_trade", "belongs to agents"),
    ("PROTOCOL_BROKER_QUEUE", "ca.1", "belongs to agents"),
    ("PROTOCOL_BROKER_QUEUE", "amq.q", "belongs to agents"),
    ("PROTOCOL_BROKER_URL", "http://h", "must be an address like amqp://"),
    ("PROTOCOL_BROKER_URL", "amqp://", "must name a host"),
    ("PROTOCOL_BROKER_URL", "amqp://h:port", "must be an address like amqp://"),
    ("PROTOCOL_BROKER_URL", "amqp:h", "must be an address like amqp://"),
    ("PROTOCOL_BROKER_URL", "amqp://h:5672,/", "must name a host"),
    ("PROTOCOL_BROKER_URL", "amqp://h:5672,i:port", "must be an address like amqp://"),
    ("PROTOCOL_BROKER_URL", "amqp://h,i?heartbeat=5&retry_delay=1", "must have no parameters but"),
    ("FETCH_API_URL", "router:8080", "must be an address like https://"),
    ("FETCH_API_URL", "https://h/?a=b", "must be a base URL"),
    ("INTERNAL_USER", "a\nb", "must be the name of a broker user"),
    ("LOG_LEVEL", "loud", "must be one of debug, info, warning, error"),
    ("LOG_FORMAT", "xml", "must be one of text, json"),
    ("POSTGRES_URL", "", "must be an address like postgresql://"),
    ("POSTGRES_URL", "mysql://u@h/d", "must be an address like postgresql://"),
    ("POSTGRES_URL", "postgresql://h:99999/d", "must be an address like postgresql://"),
    ("POSTGRES_URL", "h/d", "must be an address like postgresql://"),
    ("POSTGRES_URL", "postgresql://h:5432,i:0/d", "must be an address like postgresql://"),
    ("POSTGRES_URL", "postgresql://h/d?hosts=i", "must be an address like postgresql://"),
    ("POSTGRES_URL", "postgresql://h/d?connect_timeout=1", "by itself: connect_timeout"),
    ("POSTGRES_URL", "postgresql://h/d?tcp_user_timeout=0", "a tcp_user_timeout of 3000 to 120000"),
    ("POSTGRES_URL", "postgresql://h/d?tcp_user_timeout=10s", "a tcp_user_timeout of 3000 to 120000"),
    ("POSTGRES_URL", "postgresql://h/d?tcp_user_timeout=120001", "a tcp_user_timeout of 3000 to 120000"),
    (
        "POSTGRES_URL",
        "postgresql://h/d?keepalives_idle=1&application_name=a",
        "by itself: application_name, keep",
    ),
]


@pytest.mark.parametrize("unsafe", ["no", "yes"])
@pytest.mark.parametrize(("name", "text", "reason"), FORMS)
def test_a_malformed_value_is_always_refused(name, text, reason, unsafe):
    """A malformed value gets one line with the name and what is allowed, unsafe settings or not."""
    [line] = problems(**{name: text, "ALLOW_UNSAFE_SETTINGS": unsafe})
    assert line.startswith(f"{name}=")
    assert reason in line
    assert "\n" not in line
    assert len(line) < 400


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("amqp://h", ["amqp://h"]),
        (
            "amqp://u:p@a:1,b:2/v?heartbeat=5",
            ["amqp://u:p@a:1/v?heartbeat=5", "amqp://u:p@b:2/v?heartbeat=5"],
        ),
        ("amqps://a,b?heartbeat=5", ["amqps://a?heartbeat=5", "amqps://b?heartbeat=5"]),
        ("amqp://u,v:p,q@[::1]:1,[::2]:1", ["amqp://u,v:p,q@[::1]:1", "amqp://u,v:p,q@[::2]:1"]),
    ],
)
def test_the_broker_may_have_several_nodes(text, nodes):
    """All with the same user, virtual host and parameters; credits are taken from the user of all of them."""
    assert amqp_nodes(text) == nodes
    assert load({"POSTGRES_URL": "postgresql://h/d", "PROTOCOL_BROKER_URL": text}).protocol_broker_url == text
    user = user_of(text)
    assert (
        load(
            {"POSTGRES_URL": "postgresql://h/d", "PROTOCOL_BROKER_URL": text, "INTERNAL_USER": user}
        ).internal_user
        == user
    )


# Just outside the range of the rules: refused, unless it is a test bench.
RANGES = [
    ("MESSAGE_MAX_DELAY", "86399", "at least 86400"),
    ("RATE_CHANGE_EXTRA_DELAY", "86399.9", "at least 86400"),
    ("INTERNAL_MAX_DELAY", "604799", "at least MESSAGE_MAX_DELAY, which is 604800"),
    ("COMMIT_PERIOD", "2591999", "at least 2592000"),
    ("PURGE_EXTRA_DELAY", "172799", "at least 172800"),
    ("PURGE_MIN_AGE", "259199", "at least 259200"),
    ("ACCOUNT_UPDATE_DELAY", "3601", "at most 3600"),
    ("ACCOUNT_UPDATE_MIN_INTERVAL", "86401", "at most 86400"),
    ("HEARTBEAT_INTERVAL", "1180801", "at most 1209600 minus ACCOUNTS_SCAN_INTERVAL, which makes 1180800"),
    ("REMINDER_INTERVAL", "2592001", "at most 2592000"),
    ("ACCOUNTS_SCAN_INTERVAL", "172801", "at most 172800"),
    ("REMINDERS_SCAN_INTERVAL", "604801", "at most 604800"),
    ("REGISTRY_SCAN_INTERVAL", "2592001", "at most 2592000"),
    ("CREDIT_SAFE_AGE", "2591999", "at least 2592000"),
    ("CAPITALIZATION_MIN_INTERVAL", "7948801", "at most 7948800"),
    ("CAPITALIZATION_MIN_RATIO", "0.11", "at most 0.1"),
    ("DELETION_MIN_AGE", "86399", "at least 86400"),
    ("SETTINGS_MAX_AGE", "3599", "at least ROOT_CONFIG_CACHE_TTL, which is 3600"),
    ("ROOT_CONFIG_CACHE_TTL", "86401", "at most 86400"),
    ("FETCH_TIMEOUT", "60.5", "at most 60"),
    ("FETCH_RETRY_MAX_DELAY", "0.5", "at least 1"),
]


@pytest.mark.parametrize(("name", "text", "reason"), RANGES)
def test_a_value_outside_its_range_is_refused_and_said_why(name, text, reason):
    """The line names the variable, its value, the bound, and the way out on a test bench."""
    line = next(line for line in problems(**{name: text}) if reason in line)
    assert line.startswith(f"{name}={text}: must be ")
    assert line.endswith("On a test bench, set ALLOW_UNSAFE_SETTINGS=yes.")


@pytest.mark.parametrize(("name", "text", "reason"), RANGES)
def test_unsafe_settings_lift_the_ranges_with_a_warning(name, text, reason):
    """With ALLOW_UNSAFE_SETTINGS the same value is taken, and the start of the log shows it."""
    settings = load(DATABASE | {name: text, "ALLOW_UNSAFE_SETTINGS": "yes"})
    assert getattr(settings, name.lower()) == float(text)
    assert any(line.startswith(f"{name}={text}: must be ") and reason in line for line in settings.unsafe)
    assert all("ALLOW_UNSAFE_SETTINGS is on" in line for line in settings.warnings)


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"MESSAGE_MAX_DELAY": "1209601"}, "INTERNAL_MAX_DELAY=1209600: must be at least MESSAGE_MAX_DELAY"),
        (
            {"COMMIT_PERIOD": "2592000", "INTERNAL_MAX_DELAY": "2592001"},
            "COMMIT_PERIOD=2592000: must be at least",
        ),
        (
            {"INTERNAL_MAX_DELAY": "3888001"},
            "CREDIT_SAFE_AGE=7776000: must be at least 2 times INTERNAL_MAX_",
        ),
        ({"ACCOUNTS_SCAN_INTERVAL": "172800", "HEARTBEAT_INTERVAL": "1036801"}, "which makes 1036800"),
        (
            {"ROOT_CONFIG_CACHE_TTL": "86400", "SETTINGS_MAX_AGE": "86399"},
            "Set SETTINGS_MAX_AGE to 86400 or more",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(environ, reason):
    """The line names both variables, and either way out."""
    assert any(reason in line for line in problems(**environ))


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        (SHARD | {"FETCH_API_URL": ""}, "FETCH_API_URL is not set"),
        (SHARD | {"INTERNAL_USER": ""}, "INTERNAL_USER is not set"),
        ({"INTERNAL_USER": "swpt"}, "must be the user of PROTOCOL_BROKER_URL, which is guest"),
        (
            {"INTERNAL_USER": "swpt", "PROTOCOL_BROKER_URL": "amqp://s%70it:hush@h"},
            "must be the user of PROTOCOL_BROKER_URL, which is spit, because",
        ),
        (
            {"OUTBOX_RETRY_MIN_DELAY": "301"},
            "OUTBOX_RETRY_MAX_DELAY=300: must be at least OUTBOX_RETRY_MIN_DELAY",
        ),
        ({"ADMIN_PORT": "8080"}, "ADMIN_PORT=8080: must differ from WEBSERVER_PORT"),
    ],
)
def test_what_cannot_work_is_refused_on_a_test_bench_as_well(environ, reason):
    """ALLOW_UNSAFE_SETTINGS lifts ranges, not contradictions that nothing could run with."""
    [line] = problems(**environ, ALLOW_UNSAFE_SETTINGS="yes")
    assert reason in line


def test_two_interfaces_may_share_a_port_number():
    """The same port on two different interfaces is no contradiction."""
    environ = {"ADMIN_PORT": "8080", "ADMIN_BIND": "127.0.0.1", "WEBSERVER_BIND": "127.0.0.2"}
    assert load(DATABASE | environ).admin_port == 8080


def test_all_problems_are_shown_at_once():
    """Every wrong variable has its line, so that one start is enough to find them all."""
    lines = problems(
        WEBSERVER_PORT="x", COMMIT_PERIOD="5", LOG_FORMAT="xml", ADMIN_PORT="y", PURGE_MIN_AGE="1"
    )
    names = [re.split("[= ]", line)[0] for line in lines]
    for name in ("WEBSERVER_PORT", "COMMIT_PERIOD", "LOG_FORMAT", "ADMIN_PORT", "PURGE_MIN_AGE"):
        assert name in names


SECRETS = [name.upper() for name, variable in variables(Settings).items() if variable.is_secret]
NO_ADDRESSES = [
    "gopher://user:hush@host:1/x",
    "gopher://user:hu/hush@host:1/x",
    "//user:hush@host",
    "postgresql:user:hush@host",
    "postgresql://user:h hush@host/d",
    "postgresql://user:hush/d:x",
    "amqp://user:hush",
    "amqp://user:hu%hush@host:port",
    "http://user:h hush@host",
    "password='h hush' host=h",
    "hush",
    "hush\n" * 20,
]


def test_these_settings_are_secret():
    """Whatever may contain a password is."""
    assert SECRETS == ["POSTGRES_URL", "PROTOCOL_BROKER_URL", "ADMIN_SECRET_KEY", "FETCH_API_URL"]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_a_refused_secret_is_not_shown(name, text):
    """The line about a malformed secret leaves it out, because who knows which part of it is the password."""
    [line] = problems(**{name: text})
    assert line.startswith(f"{name}=***: must ")
    assert "hush" not in line


@pytest.mark.parametrize("name", [name.upper() for name in variables(Settings)])
def test_no_setting_shows_the_password_of_an_address(name):
    """Who puts an address into the wrong variable is not betrayed by the line that says so."""
    try:
        shown = repr(load(DATABASE | {name: "amqp://user:hush@host:1\x1b[2J"}))
    except SettingsError as error:
        shown = str(error)
    if name not in ("PROTOCOL_BROKER_QUEUE", "INTERNAL_USER", "METRICS_FOLDER"):  # they are what they are
        assert "hush" not in shown
    assert "\x1b" not in shown


def test_printed_settings_show_no_secrets():
    """The addresses of the servers, which hold passwords, are not part of the printed settings."""
    secret = {
        "POSTGRES_URL": "postgresql://u:hush@h/d",
        "PROTOCOL_BROKER_URL": "amqp://u:hush@h",
        "ADMIN_SECRET_KEY": "hush" * 10,
        "FETCH_API_URL": "http://u:hush@h",
    }
    assert list(secret) == SECRETS
    shown = repr(load(secret))
    assert "hush" not in shown
    assert "webserver_port=8080" in shown


def test_a_short_note_limit_is_allowed_but_advised_against():
    """TRANSFER_NOTE_MAX_BYTES below 150 is taken, with a warning."""
    settings = load(DATABASE | {"TRANSFER_NOTE_MAX_BYTES": "149"})
    assert settings.unsafe == ()
    assert "should be at least 150" in settings.warnings[0]


def test_the_realm_follows_from_the_binding_key():
    """The shard owns the accounts whose digest starts with the bits of the binding key."""
    environ = {"PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "0.#", "FETCH_API_URL": "http://router/base/"}
    settings = load(DATABASE | SHARD | environ)
    assert settings.realm().owns(123, 456)
    assert not settings.realm().owns(-1, 0)
    assert settings.fetch_api_url == "http://router/base"


def environment_file():
    """The variables of env.development, each with the comment above it."""
    entries, comment = {}, []
    for line in (TOP / "env.development").read_text().splitlines():
        if line.startswith("#"):
            comment.append(line)
        elif line:
            name, _, content = line.partition("=")
            assert name not in entries
            entries[name] = (content.strip("'"), " ".join(comment))
        if not line or not line.startswith("#"):
            comment = []
    return entries


def test_every_setting_is_in_the_example_environment():
    """env.development has every variable in the order of the program, each with a comment, and no other."""
    entries = environment_file()
    assert list(entries) == [name.upper() for name in variables(Settings)]
    assert all(comment for _, comment in entries.values())


@pytest.mark.parametrize("name", [n for n, v in variables(Settings).items() if v.default is not REQUIRED])
def test_the_example_environment_shows_the_defaults(name):
    """env.development gives each variable its default; the broker's default stands in its comment."""
    content, comment = environment_file()[name.upper()]
    default = render(variables(Settings)[name].default)
    assert default == content or default in comment


def test_the_example_environment_can_be_loaded():
    """env.development as it stands is a valid environment."""
    assert load({name: content for name, (content, _) in environment_file().items()}).unsafe == ()


ADDRESSES = {
    "postgresql://u:hush@h:5999,i:5432/d": "postgresql://u:hush@h:5999,i:5432/d",
    "postgresql://u@/d?host=h,i&port=5999,5432": "postgresql://u@/d?host=h,i&port=5999,5432",
    "postgresql://%2Frun%2Fpostgresql/d": "postgresql://%2Frun%2Fpostgresql/d",
    "postgresql:///d?host=/run/postgresql": "postgresql:///d?host=/run/postgresql",
    "postgresql://[::1]:5432/d": "postgresql://[::1]:5432/d",
    "postgres://h/d?sslmode=verify-full&sslrootcert=/ca.pem": (
        "postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem"
    ),
    "postgresql+psycopg2://u:+psycopg2@h/d": "postgresql://u:+psycopg2@h/d",
    "postgresql://h/d?options=-csearch_path%3Done": "postgresql://h/d?options=-csearch_path%3Done",
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_what_libpq_takes_is_taken(text):
    """Several hosts, socket folders and parameters of libpq; and all who connect get the same text."""
    assert load({"POSTGRES_URL": text}).postgres_url == ADDRESSES[text]


SECRET = "hush-hush-4711"
REFUSED = {
    "POSTGRES_URL": {
        "postgresql://u:SECRET@h,i/d?hostaddr=127.0.0.1": "one `hostaddr` for each",
        "postgresql://u:SECRET@h/d?hostaddr=127.0.0.1,127.0.0.2": "one `hostaddr` for each",
        "postgresql://u:SECRET@h,i,j/d?port=1,2": "one port for all",
        "postgresql://u:SECRET@/d?hostaddr=127.0.0.1,127.0.0.2&port=1,2,3": "one port for all",
        "postgresql://u:SECRET@h/d?keepalives=0": "must not set",
        "postgresql://u:SECRET@h/d?sslmode=SECRET": "must give sslmode a value",
        "postgresql://u:SECRET@h/d?target_session_attrs=SECRET": "must give target_session_attrs a value",
        "postgresql://u:SECRET@h/d?channel_binding=SECRET": "must give channel_binding a value",
        "postgresql://u:SECRET@h/d?ssl_min_protocol_version=SECRET": "must give ssl_min_protocol_version",
        "postgresql://u:SECRET@h/d?service=SECRET": "must give service a value",
    },
    "PROTOCOL_BROKER_URL": {
        "amqp://u:SECRET@h?connection_attempts=SECRET": "no parameters but",
        "amqp://u:SECRET@h?socket_timeout=3": "no parameters but",
        "amqps://u:SECRET@h?verify=verify_peer": "no parameters but",
        "amqp://u:SECRET@h?heartbeat=SECRET": "values for heartbeat",
        "amqp://u:SECRET@h?heartbeat=1&heartbeat=2": "values for heartbeat",
        "amqps://u:SECRET@h?ssl_options=SECRET(": "values for ssl_options",
        "amqps://u:SECRET@h?ssl_options={'ca_certs':'/SECRET'}": "values for ssl_options",
    },
}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [(name, text, reason) for name, texts in REFUSED.items() for text, reason in texts.items()],
)
def test_what_would_have_no_effect_is_refused(name, text, reason):
    """A value that its library refuses, or passes over, is told at the start, and not quoted."""
    with pytest.raises(SettingsError) as raised:
        load(DATABASE | {name: text.replace("SECRET", SECRET)})
    assert reason in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content"), [("PGSSLMODE", SECRET), ("PGSERVICE", SECRET), ("PGTARGETSESSIONATTRS", SECRET)]
)
def test_a_variable_of_libpq_that_it_refuses_is_told_at_the_start(monkeypatch, name, content):
    """Otherwise each attempt to connect would fail, and be taken for an outage."""
    monkeypatch.setenv(name, content)
    with pytest.raises(SettingsError, match="variables of libpq") as raised:
        load(DATABASE)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://h/d?hostaddr=127.0.0.1",
        "postgresql://h,i/d?hostaddr=127.0.0.1,127.0.0.2&port=1,2",
        "postgresql:///d?hostaddr=127.0.0.1,127.0.0.2&port=5432",
        "postgresql://h,i,j:5432/d",
        "postgresql://h/d?target_session_attrs=read-write&sslmode=require&sslrootcert=/not/yet.pem",
    ],
)
def test_lists_of_hosts_and_addresses_are_taken(text):
    """As libpq takes them: as many addresses as hosts, one port or one for each."""
    assert load({"POSTGRES_URL": text}).postgres_url == text
