"""For `dramatiq tasks:broker`: builds the broker of a worker when it is imported."""

from swpt_accounts.runtime import logs, metering, settings

try:
    _settings = settings.load()
except settings.SettingsError as error:
    # The text alone: whoever starts a server is not helped by our stack.
    raise SystemExit(str(error)) from None

logs.set_up(_settings)
metering.begin(_settings.metrics_folder, "worker")

# Only now, when it is decided where numbers are kept.
from swpt_accounts.roles.worker.wiring import make_worker_broker  # noqa: E402

broker = make_worker_broker(_settings)
