"""Texts of others for people's eyes: what would move a cursor or turn a line is spelled out."""


def spelled_out(text: str, keep: str = "") -> str:
    r"""The text with each character that does not print as its Python escape, like `\x1b` or `\u202e`.

    Terminals obey control characters, and everything that shows Unicode obeys those that change the
    direction of what stands beside them.  `keep` names characters that are harmless where it is shown.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def spelled_out_lines(text: str) -> str:
    """The same for a text of several lines."""
    return spelled_out(text, keep="\n")
