"""What may go wrong between xenci and Gerrit, each with its own sentence and remedy."""

from xenci.errors import Permanent, Temporary


class GerritDown(Temporary):
    """Gerrit does not answer."""


class NotGerrit(Temporary):
    """What answers at Gerrit's address is not Gerrit."""


class StreamLost(Temporary):
    """The connection to Gerrit's event stream is lost."""


class WrongPassword(Permanent):
    """Gerrit does not know this user or password."""


class NotAllowed(Permanent):
    """Gerrit does not allow it."""


class Refused(Permanent):
    """Gerrit refused a request."""


class HostKeyChanged(Permanent):
    """Gerrit's SSH host key is not the pinned one."""


class TooManyChanges(Permanent):
    """More open changes match than are looked through."""


class VoteNotTaken(Permanent):
    """Gerrit took a comment, but not its vote."""


class KeyRefused(Permanent):
    """Gerrit does not accept our SSH key."""


class BadKey(Permanent):
    """A key for Gerrit is not usable."""


class GitFailed(Temporary):
    """A git command failed."""


class FetchFailed(Temporary):
    """A project cannot be fetched."""


class MirrorBusy(Temporary):
    """Another process works in a project's mirror for too long."""


class HostileName(Permanent):
    """A name from outside is not one that git should see."""


class OldGit(Permanent):
    """The installed git is too old."""
