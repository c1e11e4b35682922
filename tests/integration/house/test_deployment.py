"""The files for containers on a real broker, and all files for deployment by the tools that read them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pika
import pytest
import yaml

from swpt_accounts.broker.amqp.administration import declare
from tests.services.errors import ServiceMissing, give_up
from tests.services.tools import require_tool

TOP = Path(__file__).parents[3]
DEPLOY = TOP / "deploy"
DEFINITIONS = DEPLOY / "rabbitmq-definitions.json"
SYSTEMD = DEPLOY / "systemd"
# Of 100 MB, so only from the cache: `make manifests` brings them there.
VALIDATE = (Path(sys.executable).parent / "uv", "tool", "run", "--offline", "kubernetes-validate>=1.36,<2")
INSTALLED = "/opt/swpt_accounts/bin"
MORE_THAN_RABBITMQ_4_ALLOWS = 25


def test_the_broker_takes_the_definitions(restartable_rabbitmq):
    """With the definitions of docker-compose.yml, a message survives any number of redeliveries."""
    rabbitmqctl = restartable_rabbitmq.rabbitmqctl
    rabbitmqctl("import_definitions", str(DEFINITIONS))
    assert declare(restartable_rabbitmq.url, "swpt_accounts", "#") == []
    policies = rabbitmqctl("-q", "list_queues", "name", "policy", "--no-table-headers").split()
    assert sorted(policies) == sorted(["swpt_accounts", "swpt_accounts.XQ"] + 2 * ["swpt_accounts"])
    with pika.BlockingConnection(pika.URLParameters(restartable_rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("accounts_in", "0.1", b"x")
        deliveries = channel.consume("swpt_accounts")
        for _ in range(MORE_THAN_RABBITMQ_4_ALLOWS):
            method, _, _ = next(deliveries)
            channel.basic_nack(method.delivery_tag, requeue=True)
        channel.cancel()
        assert channel.queue_declare("swpt_accounts.XQ", passive=True).method.message_count == 0


def tool(name: str) -> str:
    """The path of a tool that not every machine has; CI installs it."""
    try:
        return require_tool(name)
    except ServiceMissing as error:
        give_up(error)


def run(*words: str | Path) -> str:
    """What a tool says; it must end well."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_takes_the_units(tmp_path):
    """Every line of every unit is known to systemd, and complains about nothing."""
    verify = tool("systemd-analyze")
    for unit in SYSTEMD.iterdir():
        # Where the program stands here: systemd looks whether it can be run.
        text = unit.read_text().replace(INSTALLED, str(Path(sys.executable).parent))
        (tmp_path / unit.name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    assert len(units) == 5
    assert run(verify, "verify", "--man=no", *units) == ""


def test_prometheus_takes_the_rules():
    """The rules and the configuration are read by Prometheus itself."""
    promtool = tool("promtool")
    assert "SUCCESS" in run(promtool, "check", "rules", str(DEPLOY / "prometheus-alerts.yml"))
    assert "SUCCESS" in run(promtool, "check", "config", "--syntax-only", str(DEPLOY / "prometheus.yml"))


def test_kubernetes_takes_the_manifests(tmp_path):
    """They are put together by kustomize, and fit the schemas of Kubernetes."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is missing: it brings kustomize, and Debian's is too old")
    made = run(kubectl, "kustomize", str(DEPLOY / "kubernetes"))
    resources = list(yaml.safe_load_all(made))
    assert sorted(one["kind"] for one in resources) == ["Deployment"] * 3 + ["Job"] + ["Service"] * 2
    (tmp_path / "all.yaml").write_text(made)
    if subprocess.run((*VALIDATE, "--version"), capture_output=True, check=False).returncode != 0:
        pytest.skip("the schemas of Kubernetes are missing: make manifests")
    assert run(*VALIDATE, "--strict", str(tmp_path / "all.yaml")).count("passed for resource") == 6
