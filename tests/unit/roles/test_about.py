"""What a log line shows about the message or the account that it is about."""

import json
import logging

import pytest

from swpt_accounts.roles.worker.about import about_delivery, about_item
from swpt_accounts.runtime.logs import JsonFormatter, TextFormatter, about_account
from swpt_accounts.wire.messages import Malformed
from tests.backstage.builders import ALICE, DEBTOR, configure, finalize, prepared, request
from tests.backstage.wire import delivered

SECRET = "hush"


def record(extra):
    """A log record about something."""
    return logging.getLogger("swpt_accounts.x").makeRecord(
        "swpt_accounts.x", logging.WARNING, "x.py", 1, "A message fails", (), None, extra=extra
    )


def test_both_formats_show_the_ids_of_a_message():
    """Type, account, coordinator and request are fields in JSON, and stand behind the text."""
    made = record(about_item(delivered(request(coordinator_request_id=77))))
    fields = json.loads(JsonFormatter().format(made))
    assert (fields["type"], fields["debtor_id"], fields["creditor_id"]) == ("PrepareTransfer", DEBTOR, ALICE)
    assert fields["coordinator_request_id"] == 77
    text = TextFormatter().format(made)
    assert f": A message fails [type=PrepareTransfer debtor_id={DEBTOR} creditor_id={ALICE} " in text
    assert "coordinator_request_id=77" in text


def test_notes_and_configurations_stay_out():
    """Nothing that people have written gets into the log, whatever happens to the message."""
    for message in (
        finalize(prepared(), transfer_note=SECRET, transfer_note_format=SECRET[:2]),
        configure(0, config_data=SECRET),
    ):
        item = delivered(message)
        for extra in (about_item(item), about_delivery(item.delivery)):
            assert SECRET not in str(extra)


def test_a_message_that_is_refused_shows_the_ids_that_can_be_read():
    """The ids of a dead letter are read from its body if that is possible at all."""
    body = b'{"debtor_id": 5, "creditor_id": -6, "coordinator_request_id": 7, "transfer_note": "hush"}'
    fields = about_item(delivered(Malformed("bad_field", "ts: missing"), body=body))["fields"]
    assert (fields["debtor_id"], fields["creditor_id"], fields["coordinator_request_id"]) == (5, -6, 7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 65536,
        b'{"debtor_id": 1e400}',
        b'{"debtor_id": "x"}',
        b'{"debtor_id": ' + b"9" * 50,
    ],
    ids=["empty", "no UTF-8", "deep", "infinite", "text", "huge"],
)
def test_any_body_can_be_described(body):
    """What cannot be read has at least the beginning of its SHA-256, as in the table of dead letters."""
    fields = about_delivery(delivered(Malformed("bad_json", ""), body=body).delivery)["fields"]
    assert "debtor_id" not in fields
    assert len(fields["body_sha256"]) == 16


def test_a_type_of_somebody_else_cannot_forge_the_log():
    """Odd characters in texts of others are quoted and spelled out, and long texts are cut."""
    made = record({"fields": {"type": 'x] \n2026 "' + "y" * 200, "debtor_id": None}})
    text = TextFormatter().format(made)
    assert "\n" not in text
    assert '[type="x] \\n2026 \\"' in text
    assert len(text) < 250
    assert "debtor_id" not in text
    assert len(json.loads(JsonFormatter().format(made))["type"]) == 100


def test_a_field_cannot_replace_what_every_line_has():
    """The level and the message of a JSON line are its own."""
    fields = json.loads(JsonFormatter().format(record({"fields": {"level": "x", "message": "y"}})))
    assert (fields["level"], fields["message"]) == ("warning", "A message fails")


def test_an_alarm_names_its_account():
    """An account is shown by its debtor and creditor; a general alarm names none."""
    assert about_account((1, 2)) == {"fields": {"debtor_id": 1, "creditor_id": 2}}
    assert about_account(None) == {"fields": {}}
    assert TextFormatter().format(record(about_account(None))).endswith(": A message fails")
