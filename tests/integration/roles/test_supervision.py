"""All roles on one machine: started together, started again, stopped together."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from swpt_accounts.roles.supervision import configuration
from swpt_accounts.runtime.settings import load
from tests.backstage.commands import SERVER, TOP, Command, get, running, said
from tests.backstage.waiting import wait_until
from tests.services.ports import free_port

PROGRAMS = ("worker_1", "worker_2", "chores_1", "web_1")


@pytest.fixture
def environ(postgres_url, amqp_url, tmp_path):
    """An environment for a whole server with two workers."""
    return {
        "POSTGRES_URL": postgres_url,
        "PROTOCOL_BROKER_URL": amqp_url,
        "WEBSERVER_BIND": "127.0.0.1",
        "WEBSERVER_PORT": str(free_port()),
        "ADMIN_PORT": str(free_port()),
        "WORKER_PROCESSES": "2",
        # Where `kill -9` leaves what a clean stop removes.
        "TMPDIR": str(tmp_path),
    }


def process_of(server: Command, program: str, *, times: int = 1) -> int:
    """The process that supervisord has started for the program, the `times`-th time."""
    line = server.wait_for(f"spawned: '{program}' with pid", times=times)
    return int(re.findall(r"\d+", line)[-1])


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    """Wait, but not for ever, until none of the processes is alive."""
    wait_until(lambda: not any(map(is_alive, pids)), f"the end of the processes {pids}", 20)


def descendants_in(folder: str) -> list[int]:
    """The processes that were started with this folder for temporary files."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in environ.split(b"\0"):
            found.append(int(entry.name))
    return found


def test_all_starts_everything_again_and_stops_everything(environ):
    """What is killed comes back by itself; SIGTERM ends every process, with exit code 0."""
    with running((*SERVER, "all"), environ) as server:
        first = {program: process_of(server, program) for program in PROGRAMS}
        server.wait_for("Serving HTTP")
        for program in ("web_1", "worker_1", "chores_1"):
            os.kill(first[program], signal.SIGKILL)
        second = {
            program: process_of(server, program, times=2) for program in ("web_1", "worker_1", "chores_1")
        }
        server.wait_for("Serving HTTP", times=2)
        assert get(int(environ["WEBSERVER_PORT"]), "/accounts/healthz")[0] == 200
        assert all(is_alive(pid) for pid in second.values())
        before = len(server.lines)
        code = server.stop()
    assert code == 0
    assert not [line for line in server.lines[before:] if "SIGKILL" in line]
    assert not any(is_alive(pid) for pid in (*first.values(), *second.values()))


def test_programs_that_have_just_been_forked_are_stopped_too(environ):
    """A signal that comes while programs begin is not lost: nobody is waited for until he is killed."""
    for _ in range(3):
        with running((*SERVER, "all"), environ) as server:
            server.wait_for("spawned: 'web_1'")
            code = server.stop()
        assert code == 0
        assert not [line for line in server.lines if "SIGKILL" in line]


def test_nobody_is_left_behind_when_the_supervisor_is_killed(environ):
    """After `kill -9` of the supervisor its processes end too, so that a new start finds the port free."""
    with running((*SERVER, "all"), environ) as server:
        pids = [process_of(server, program) for program in PROGRAMS]
        server.wait_for("Serving HTTP")
        server.process.kill()
        wait_until_gone(pids)


@pytest.mark.parametrize("program", ["worker_1", "web_1"])
def test_nobody_is_left_behind_who_has_just_been_forked(environ, program):
    """The same for a program that has not even begun when the supervisor is killed."""
    with running((*SERVER, "all"), environ) as server:
        process_of(server, program)
        server.process.kill()
        pids = descendants_in(environ["TMPDIR"])
        try:
            wait_until_gone(pids)
        finally:
            for pid in filter(is_alive, pids):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("command", [("all",), ("demo", "--transfers", "1")])
def test_a_machine_without_room_for_temporary_files_is_reported_in_one_line(environ, command):
    """No folder there may be written to: the command ends at once and says what to set."""
    if os.geteuid() != 0 or said(("unshare", "--mount", "true"), {})[0]:
        pytest.skip("Mounting needs the rights of root.")
    # Only this command, in a name space of its own, sees them locked.
    read_only = "mount --bind $one $one && mount -o remount,bind,ro $one"
    lock = f"for one in /tmp /var/tmp; do {read_only}; done; cd /var/tmp"
    words = ("unshare", "--mount", "sh", "-c", f'{lock}; exec "$@"', "-", *SERVER, *command)
    code, lines = said(words, environ | {"TMPDIR": "/tmp", "PYTHONPATH": str(TOP)})
    lines = [line for line in lines if " INFO " not in line]
    assert code == 1
    assert len(lines) == 1
    assert "TMPDIR" in lines[0]


def test_the_log_may_be_a_socket(environ):
    """Under systemd standard output and error are sockets, which have no name to open; SIGINT stops, too."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile() as log:
        words = (*SERVER, "all")
        environ |= {"PATH": os.environ["PATH"]}
        with subprocess.Popen(
            words, cwd=TOP, env=environ, stdout=theirs.fileno(), stderr=theirs.fileno()
        ) as server:
            ours.settimeout(30)
            try:
                assert any("Serving HTTP" in line for line in log)
            finally:
                server.send_signal(signal.SIGINT)
            assert server.wait(20) == 0


def test_the_configuration_has_no_http_server_and_no_secrets(tmp_path):
    """The file for supervisord holds programs only; settings travel in the environment."""
    folder = tmp_path / "50%s"
    text = configuration(load({"POSTGRES_URL": "postgresql://u:hush@h/d", "WORKER_PROCESSES": "3"}), folder)
    assert "hush" not in text
    assert "http_server" not in text
    assert "numprocs=3" in text
    assert "50%%s" in text
