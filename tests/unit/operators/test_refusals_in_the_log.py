"""What the admin listener writes of requests that it refuses, which are the words of a stranger."""

import pytest

from swpt_accounts.operators.admin.app import create_admin_app
from swpt_accounts.runtime.logs import JsonFormatter, TextFormatter
from swpt_accounts.runtime.settings import load


@pytest.mark.parametrize(
    "path", ["/admin/%1B%5B2J", "/admin/%07%0A%0D", "/admin/%E2%80%AEx", "/%C2%9B", "/admin/api/%00"]
)
def test_a_path_is_not_obeyed_by_the_terminal_that_shows_the_log(path, caplog):
    """The log of a refused request is printable, whatever its address contains."""
    client = create_admin_app(load({"POSTGRES_URL": "postgresql://u@127.0.0.1:1/d"})).test_client()
    assert client.post(path).status_code == 401
    [record] = caplog.records
    assert "refused POST /" in record.getMessage()
    for formatter in (TextFormatter(), JsonFormatter()):
        assert formatter.format(record).isprintable()
