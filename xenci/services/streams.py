"""Opens the event stream as the settings say."""

from xenci.config.models import Settings
from xenci.gerrit.stream import SshStream


def open_stream(settings: Settings) -> SshStream:
    """Return the stream; it connects when its lines are asked for."""
    ssh = settings.gerrit.ssh
    return SshStream(
        host=ssh.host,
        port=ssh.port,
        user=ssh.user,
        key_file=ssh.key_file,
        host_key=ssh.host_key,
        keepalive=ssh.keepalive,
    )
