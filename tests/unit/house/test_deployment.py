"""The files for containers fit the program: commands, settings, queues, passwords, and each other."""

import base64
import hashlib
import json
import re
import tomllib
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import yaml

from swpt_accounts.broker.topology import queues
from swpt_accounts.commands.cli import program
from swpt_accounts.operators.inspection.shards.router import MODULE, files_of, parts_of
from swpt_accounts.roles import supervision
from swpt_accounts.rules.node import wrong_realms
from swpt_accounts.runtime.settings import Settings, load
from swpt_accounts.runtime.variables import variables

TOP = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((TOP / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
ROLES = ("configure", "worker", "chores", "web")
OURS = (*ROLES, "tour")
APPS = ("exchange", "shop", "tap", "till", "wallets")
SHARDS = ("shard-0", "shard-1")
DEFINITIONS = json.loads((TOP / "deploy" / "rabbitmq-definitions.json").read_text())
ENVIRONMENT = dict(
    line.split("=", 1)
    for line in (TOP / "env.development").read_text().splitlines()
    if line and not line.startswith("#")
)


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each on one line: its word, and the rest."""
    text = re.sub(r"^#.*\n", "", (TOP / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [(line.split()[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def instruction(word: str) -> str:
    """The last instruction that begins with a word."""
    return [rest for first, rest in instructions() if first == word][-1]


def parsed_command(words: list[str]) -> dict[str, object]:
    """The options that the program reads from a command line; it exits if it does not know them."""
    context = click.Context(program)
    name, command, rest = program.resolve_command(context, words)
    assert command is not None
    return {"": name, **command.make_context(name, rest, parent=context).params}


def test_compose_starts_every_role():
    """Each long-running role has a service of its name, which runs the command of that name."""
    for role in ROLES:
        assert SERVICES[role]["command"] == [role]
        assert parsed_command(SERVICES[role]["command"])[""] == role


def test_one_image_serves_all_roles():
    """The image is built once; nobody looks for it in a registry."""
    assert len({SERVICES[name]["image"] for name in OURS}) == 1
    assert [name for name in OURS if "build" in SERVICES[name]] == ["configure"]
    assert {SERVICES[name]["pull_policy"] for name in OURS} == {"never"}


@pytest.mark.parametrize("role", ["worker", "chores", "web"])
def test_a_health_check_asks_about_its_own_role(role):
    """Each role is checked by the command that the program has for it."""
    kind, name, *words = SERVICES[role]["healthcheck"]["test"]
    assert (kind, name) == ("CMD", "swpt-accounts")
    assert parsed_command(words) == {"": "healthcheck", "role": role}


def test_every_application_has_a_service():
    """Those that the Makefile starts, on the ports of apps/README.md, each with a database of its own."""
    table = re.findall(r"^\| `make (\w+)` \|.* (\d+) \|$", (TOP / "apps" / "README.md").read_text(), re.M)
    started = re.findall(r"^\t@cd apps && exec .* -m (\w+)$", (TOP / "Makefile").read_text(), re.M)
    assert sorted(name for name, _ in table) == sorted(started) == sorted(APPS)
    databases = re.search(r"for name in ([\w ]+);", SERVICES["app-databases"]["command"][-1])
    assert databases is not None
    assert sorted(databases.group(1).split()) == sorted(APPS)
    broker = urlsplit(SERVICES["tour"]["environment"]["PROTOCOL_BROKER_URL"]).netloc.rpartition("@")[2]
    for name, port in table:
        service = SERVICES[name]
        assert service["entrypoint"] == ["python", "-m", name]
        assert service["profiles"] == SERVICES["app-databases"]["profiles"] == ["apps"]
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert f":{port}/readyz" in service["healthcheck"]["test"][-1]
        assert urlsplit(service["environment"]["POSTGRES_URL"]).path == f"/{name}"
        assert urlsplit(service["environment"]["PROTOCOL_BROKER_URL"]).netloc.endswith(f"@{broker}")
        assert service["image"] == SERVICES["worker"]["image"]
        # The file system is for reading, but for this; sample keys are written there.
        assert service["environment"]["APP_FOLDER"].startswith(f"{service['tmpfs']}/")


def shard_settings(name: str) -> Settings:
    """The settings of a shard of docker-compose.yml, which must be possible ones."""
    own = SERVICES[name]["environment"]
    assert {one.lower() for one in own} <= set(variables(Settings))
    return load({**ENVIRONMENT, **own})


def test_the_shards_of_the_profile_are_a_node():
    """Each key has one shard; each has a database and a queue of its own, and rights for it."""
    settings = [shard_settings(name) for name in SHARDS]
    assert list(wrong_realms([(one.realm(), one.protocol_broker_queue) for one in settings])) == []
    for field in ("postgres_url", "protocol_broker_queue"):
        assert len({getattr(one, field) for one in settings}) == len(SHARDS)
    assert len({(one.protocol_broker_url, one.fetch_api_url, one.internal_user) for one in settings}) == 1
    databases = re.search(r"for name in ([\w ]+);", SERVICES["shard-databases"]["command"][-1])
    assert databases is not None
    assert databases[1].split() == [urlsplit(one.postgres_url).path[1:] for one in settings]
    [rights] = [
        one
        for one in DEFINITIONS["permissions"]
        if (one["user"], one["vhost"]) == (settings[0].internal_user, "shards")
    ]
    for queue in (queue for one in settings for queue in queues(one.protocol_broker_queue)):
        assert all(re.search(rights[right], queue.name) for right in ("configure", "write", "read"))
    assert not re.search(rights["configure"], Settings.protocol_broker_queue)


def test_nothing_of_the_node_of_shards_starts_unasked():
    """It has a profile, and a virtual host that the server of all accounts does not know."""
    names = [name for name in SERVICES if "shard" in name]
    assert sorted(names) == sorted([*SHARDS, "shard-databases", "shard-router", "shard-tour"])
    assert {tuple(SERVICES[name]["profiles"]) for name in names} == {("shards",)}
    vhosts = {urlsplit(shard_settings(name).protocol_broker_url).path for name in SHARDS}
    assert vhosts == {"/shards"}
    assert urlsplit(ENVIRONMENT["PROTOCOL_BROKER_URL"]).path == ""
    for name in SHARDS:
        assert parsed_command(SERVICES[name]["command"])[""] == "all"
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > supervision.STOP_TIMEOUT_SECONDS


def test_the_router_of_the_profile_leads_to_its_shards():
    """Its files are those that `router` writes for the two, at the place where they are mounted."""
    service = SERVICES["shard-router"]
    url = urlsplit(shard_settings(SHARDS[0]).fetch_api_url)
    assert url.hostname == "shard-router"
    parts = []
    for name in SHARDS:
        settings = shard_settings(name)
        realm, port = settings.protocol_broker_queue_routing_key, settings.webserver_port
        parts.append(f"{realm}={name}:{port}")
    folder = service["command"][2].removesuffix("/nginx.conf")
    made = files_of(parts_of(parts), folder=folder, listen=str(url.port), module=MODULE)
    mounts = dict(mount.split(":")[:2] for mount in service["volumes"])
    assert mounts == {f"./deploy/shards/{name}": f"{folder}/{name}" for name in made}
    for name, text in made.items():
        assert (TOP / "deploy" / "shards" / name).read_text() == text


def test_a_copy_of_everything_is_taken_only_on_request():
    """The consumer of the tour has a profile; with it, no queue would be missed by anybody."""
    assert SERVICES["tour"]["profiles"] == ["tour"]


def test_servers_are_there_before_us():
    """Roles start when `configure` has ended well, and that when PostgreSQL and RabbitMQ are healthy."""
    assert SERVICES["configure"]["depends_on"] == {
        name: {"condition": "service_healthy"} for name in ("pg", "rabbit")
    }
    assert all(SERVICES[name]["healthcheck"]["test"] for name in ("pg", "rabbit"))
    for name in OURS[1:]:
        assert SERVICES[name]["depends_on"] == {"configure": {"condition": "service_completed_successfully"}}


def test_a_process_may_finish_what_it_holds():
    """Docker waits longer than our own supervisor would."""
    for name in OURS:
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > supervision.STOP_TIMEOUT_SECONDS


def test_services_know_no_settings_but_ours():
    """Settings come from `.env`, but for the container's own; a variable of the file has our default."""
    known = variables(Settings)
    for name in OURS:
        assert SERVICES[name]["env_file"] == ".env"
        own = {"web": {"ADMIN_BIND"}, "tour": {"PROTOCOL_BROKER_URL"}}.get(name, set())
        assert set(SERVICES[name]["environment"]) == {"METRICS_FOLDER"} | own
    used = re.findall(r"\$\{(\w+):-(\w*)\}", (TOP / "docker-compose.yml").read_text())
    assert used
    for name, default in used:
        assert str(known[name.lower()].default) == default
    assert set(ENVIRONMENT) == {name.upper() for name in known}


def test_all_processes_share_their_numbers():
    """They keep them on one volume in memory, which belongs to the user of the image."""
    for name in ROLES:
        assert SERVICES[name]["volumes"] == [f"metrics:{SERVICES[name]['environment']['METRICS_FOLDER']}"]
    user, group = instruction("USER").split(":")
    options = COMPOSE["volumes"]["metrics"]["driver_opts"]
    assert options["type"] == "tmpfs"
    assert {f"uid={user}", f"gid={group}"} < set(options["o"].split(","))


def test_only_this_machine_reaches_the_ports():
    """The web server asks for no password, operators send tokens in plain, everybody knows the broker's."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) >= 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_mounted_files_exist():
    """Docker would make a folder in the place of a file that is missing."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    for mount in mounts:
        source = mount.split(":")[0]
        assert (TOP / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_database_is_the_one_that_we_connect_to():
    """Name, user and password of the container are those of POSTGRES_URL in env.development."""
    url = urlsplit(ENVIRONMENT["POSTGRES_URL"])
    made = SERVICES[url.hostname]["environment"]
    assert made["POSTGRES_DB"] == url.path[1:]
    assert (made["POSTGRES_USER"], made["POSTGRES_PASSWORD"]) == (url.username, url.password)
    checked = SERVICES[url.hostname]["healthcheck"]["test"]
    assert checked[-4:] == ["-U", url.username, "-d", url.path[1:]]


@pytest.mark.parametrize(
    "address",
    [
        ENVIRONMENT["PROTOCOL_BROKER_URL"],
        *(SERVICES[name]["environment"]["PROTOCOL_BROKER_URL"] for name in ("tour", *APPS, *SHARDS)),
        SERVICES["shard-tour"]["environment"]["PROTOCOL_BROKER_URL"],
    ],
    ids=["server", "tour", *APPS, *SHARDS, "shard-tour"],
)
def test_the_broker_knows_its_users(address):
    """The definitions hold the users of both addresses, by a digest of the password, and no right for all."""
    url = urlsplit(address)
    assert url.hostname in SERVICES and url.password
    [user] = [user for user in DEFINITIONS["users"] if user["name"] == url.username]
    stored = base64.b64decode(user["password_hash"])
    assert stored[4:] == hashlib.sha256(stored[:4] + url.password.encode()).digest()
    # An administrator may do everything, and an impersonator may be the server.
    assert user["tags"] == []
    vhost = url.path[1:] or "/"
    assert {"name": vhost} in DEFINITIONS["vhosts"]
    [permission] = [
        one for one in DEFINITIONS["permissions"] if (one["user"], one["vhost"]) == (url.username, vhost)
    ]
    for right in ("configure", "write", "read"):
        assert not re.search(permission[right], "queue_of_another_agent")
        assert permission[right].startswith("^") and permission[right].endswith("$")


def test_the_broker_has_no_other_users():
    """Nobody has rights that no service of ours needs."""
    names = sorted(user["name"] for user in DEFINITIONS["users"])
    assert names == sorted({one["user"] for one in DEFINITIONS["permissions"]})
    assert names == ["apps", "swpt_accounts", "tour"]


def test_the_broker_never_gives_up_a_message():
    """A policy lifts the delivery limit, 20 since RabbitMQ 4, of our queues and the applications'."""
    of_server, of_apps, of_shards = DEFINITIONS["policies"]
    for queue in queues(ENVIRONMENT["PROTOCOL_BROKER_QUEUE"]):
        assert re.search(of_server["pattern"], queue.name)
    for name in (f"swpt.app.{app}{end}" for app in APPS for end in ("", ".XQ")):
        assert re.search(of_apps["pattern"], name)
    assert of_shards == of_server | {"vhost": "shards"}
    for policy in (of_server, of_apps):
        for foreign in ("creditors_in", "debtors_in", "to_trade", "ca.swpt_accounts"):
            assert not re.search(policy["pattern"], foreign)
        assert (policy["vhost"], policy["apply-to"]) == ("/", "queues")
        # -1 for no limit is refused by RabbitMQ 3, and does not always work in policies of RabbitMQ 4.
        assert policy["definition"] == {"delivery-limit": 1_000_000_000}


def test_the_broker_loads_its_definitions():
    """The configuration names the file at the place where it is mounted."""
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["rabbit"]["volumes"])
    assert mounts["./deploy/rabbitmq.conf"].startswith("/etc/rabbitmq/conf.d/")
    loaded = re.findall(r"^load_definitions = (.*)$", (TOP / "deploy" / "rabbitmq.conf").read_text(), re.M)
    assert loaded == [mounts["./deploy/rabbitmq-definitions.json"]]


def test_the_image_runs_the_program():
    """Entry point, default command and health check are commands of ours, and the user is not root."""
    [name] = json.loads(instruction("ENTRYPOINT"))
    scripts = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"]
    assert name in scripts
    assert parsed_command(json.loads(instruction("CMD")))[""] == "all"
    checker, *words = json.loads(instruction("HEALTHCHECK").partition(" CMD ")[2])
    assert checker == name
    assert parsed_command(words) == {"": "healthcheck", "role": "all"}
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instruction("USER"))


def test_the_image_is_made_of_what_docker_may_see():
    """Every file that is copied exists, and .dockerignore lets it through; `.env` stays outside."""
    patterns = (TOP / ".dockerignore").read_text().split("\n")
    allowed = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    assert patterns[1] == "*"
    copied = {
        name
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    }
    assert {"wsgi.py", "tasks.py", "swpt_accounts", "migrations"} <= copied
    for name in copied:
        assert (TOP / name).exists()
    assert copied == set(allowed)
    assert not any(fnmatch(".env", pattern) for pattern in allowed)


def test_the_image_contains_what_was_tested():
    """Every pip command that loads something asks for the hashes of the locks; others load nothing."""
    commands = [part for word, rest in instructions() if word == "RUN" for part in re.split("&&", rest)]
    loading = [command for command in commands if re.search(r"\bpip\b.* (install|wheel) ", command)]
    assert len(loading) == 4
    for command in loading:
        assert "--require-hashes" in command or "--no-index" in command
        assert "--no-deps" in command


def test_the_image_has_the_whole_build_backend():
    """The names that are picked from the lock are hatchling and all that it needs."""
    [names] = re.findall(r"/\^\(([a-z|-]+)\)==/", (TOP / "Dockerfile").read_text())
    needed = {
        re.split(r"[^\w-]", requirement)[0].lower()
        for requirement in metadata.requires("hatchling") or ()
        if "python_version" not in requirement
    }
    assert set(names.split("|")) == needed | {"hatchling"}
    lock = (TOP / "requirements-dev.lock").read_text()
    assert all(re.search(rf"^{name}==", lock, re.M) for name in names.split("|"))


UNITS = sorted((TOP / "deploy" / "systemd").glob("*.service"))
MANIFESTS = [
    one
    for path in sorted((TOP / "deploy" / "kubernetes").glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for one in yaml.safe_load_all(path.read_text())
]
PODS = {
    one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in MANIFESTS if one["kind"] != "Service"
}


def unit_lines(path: Path) -> dict[str, list[str]]:
    """The settings of a unit by name."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.M):
        found.setdefault(name, []).append(value)
    return found


def test_a_unit_runs_a_role():
    """Each role has a unit, which may take the time that a process needs to stop."""
    commands = {unit_lines(path)["ExecStart"][0].split()[1]: path for path in UNITS}
    assert set(commands) == set(ROLES)
    for role, path in commands.items():
        lines = unit_lines(path)
        assert parsed_command([role])[""] == role
        assert lines["User"] != ["root"]
        assert lines["ProtectSystem"] == ["strict"], "it writes to no disk but METRICS_FOLDER and /tmp"
        if role != "configure":
            assert int(lines["TimeoutStopSec"][0]) > supervision.STOP_TIMEOUT_SECONDS
            assert lines["Environment"] == ["METRICS_FOLDER=/run/swpt_accounts/metrics"]


def test_a_pod_runs_a_role():
    """Its command, probes and settings are ours, it is nobody, and its root file system is read-only."""
    user = int(instruction("USER").split(":")[0])
    assert set(PODS) == {f"swpt-accounts-{role}" for role in ROLES}
    for name, pod in PODS.items():
        [container] = pod["containers"]
        role = name.removeprefix("swpt-accounts-")
        assert container["args"] == [role]
        assert pod["securityContext"]["runAsUser"] == user
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {one["name"].lower() for one in container.get("env", ())} <= set(variables(Settings))
        if role != "configure":
            assert pod["terminationGracePeriodSeconds"] > supervision.STOP_TIMEOUT_SECONDS
        if role in ("worker", "chores"):
            checked = container["readinessProbe"]["exec"]["command"]
            assert parsed_command(checked[1:]) == {"": "healthcheck", "role": role}
