"""The files for containers on a real broker, and all files for deployment by the tools that read them."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pika
import pytest
import yaml

from swpt_accounts.broker.amqp.administration import declare

DEPLOY = Path(__file__).parents[3] / "deploy"
DEFINITIONS = DEPLOY / "rabbitmq-definitions.json"
SYSTEMD = DEPLOY / "systemd"
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
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


def run(*words: str) -> str:
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
    """They are put together by kustomize, and fit the schemas of Kubernetes, if those are at hand."""
    made = run(tool("kubectl"), "kustomize", str(DEPLOY / "kubernetes"))
    resources = list(yaml.safe_load_all(made))
    assert sorted(one["kind"] for one in resources) == ["Deployment"] * 3 + ["Job"] + ["Service"] * 2
    (tmp_path / "all.yaml").write_text(made)
    if find_spec("kubernetes_validate") is not None:
        run(sys.executable, "-m", "kubernetes_validate", str(tmp_path / "all.yaml"))
