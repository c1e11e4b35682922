"""The web server for WSGI programs: `flask run`, `gunicorn wsgi:app`.

These listen where their own options say: `flask run` at 127.0.0.1:5000, unless `--host` and
`--port`, or FLASK_RUN_HOST and FLASK_RUN_PORT, say otherwise.  `swpt-accounts web` listens at
WEBSERVER_BIND and WEBSERVER_PORT.
"""

from swpt_accounts.runtime import logs, settings
from swpt_accounts.shards.app import create_app

try:
    loaded = settings.load()
except settings.SettingsError as error:
    # The text alone: whoever starts a server is not helped by our stack.
    raise SystemExit(str(error)) from None

logs.set_up(loaded)
app = create_app(loaded)
