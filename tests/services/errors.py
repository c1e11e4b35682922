"""What the tests need and do not find."""

import os
from typing import NoReturn

import pytest


class ServiceMissing(Exception):
    """A server or a program that tests need is neither here nor can be had; says so in one line."""


def give_up(error: ServiceMissing) -> NoReturn:
    """Skip at home; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    raise pytest.skip.Exception(str(error)) from None
