"""Every error that a person may meet: what happened, the detail, and what to do about it.

Adapters translate their SDK's exceptions into these at the door, so that loops decide by class alone: a Temporary is
tried again, a Permanent is not until somebody acts. The class docstring is the default sentence.
"""


class XenciError(Exception):
    """Something went wrong in xenci."""

    def __init__(self, detail: str = "", *, brief: str | None = None, remedy: str = "") -> None:
        self.brief = brief or (type(self).__doc__ or "").strip().splitlines()[0]
        self.detail = detail
        self.remedy = remedy
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """One line: what, where and the remedy."""
        text = self.brief.rstrip(".")
        if self.detail:
            text += f": {self.detail.rstrip('.')}"
        text += "."
        if self.remedy:
            text += f" {self.remedy.rstrip('.')}."
        return text


class Temporary(XenciError):
    """It did not work this time and is tried again."""


class Permanent(XenciError):
    """It will not work until somebody changes something."""


class ConfigError(Permanent):
    """The configuration is not usable."""


class NotFound(Permanent):
    """It is not there."""
