"""A well-formed question that the log cannot answer, on its way to a ``not_identified`` answer."""

__all__ = ["UnanswerableError"]


class UnanswerableError(Exception):
    """The log cannot say; carries the reason and what to do."""

    def __init__(self, reason: str, fix: str, details: object = None) -> None:
        super().__init__(reason)
        self.reason, self.fix, self.details = reason, fix, details
