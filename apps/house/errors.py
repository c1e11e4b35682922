"""What ends a command with one line, and no stack trace."""


class StartError(Exception):
    """The program cannot do what it was started for; the text says why, in one line."""


class SettingsError(StartError):
    """A setting that cannot be used; the text names it, and what it should be."""
