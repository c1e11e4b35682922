"""What a test run says when a server that it needs is not to be had."""


class ServiceMissing(Exception):
    """The tests that need the service are skipped, or fail where nothing may be missing."""
