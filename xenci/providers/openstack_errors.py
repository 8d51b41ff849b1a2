"""Turns what openstacksdk and keystoneauth raise into our errors, so that loops decide by class alone.

Clouds tell a full quota by 403 and by 413, a missing address by 400 and by 409, so status and words are both looked at.
The SDK is imported when an error is caught: whoever only imports this module does not pay its 40 MB.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from xenci.errors import Temporary, XenciError
from xenci.providers.port import ApiDown, NoCapacity, QuotaExceeded, ServerMissing, WrongSetup

#: words of Nova and Neutron for: no host, or no address, is free; a zone that exists and has no host at work is refused
_FULL = (
    "no valid host",
    "requested availability zone is not available",
    "no fixed ip",
    "no more ip addresses",
    "ip address generation failure",
)


@contextmanager
def translated(provider: str, cloud: str, doing: str) -> Iterator[None]:
    """Raise our errors instead of the SDK's. `doing` completes "while ..."; a fault in our code passes through."""
    import requests
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    try:
        yield
    except XenciError:
        raise
    except (SDKException, ClientException, requests.RequestException, ConnectionError, TimeoutError) as error:
        raise translate(error, provider=provider, cloud=cloud, doing=doing) from error


def translate(error: Exception, *, provider: str, cloud: str, doing: str) -> XenciError:
    """Return the error of ours that means the same."""
    words = _words(error)
    detail = f"provider {provider}, {doing}: {words}"
    status = status_of(error)
    low = words.lower()
    if status in (403, 413) and "quota" in low:
        return QuotaExceeded(detail, remedy="it waits until servers are deleted; raise the quota or lower max_servers")
    if status in (400, 403, 409) and any(phrase in low for phrase in _FULL):
        return NoCapacity(detail)
    match status:
        case 401:
            return WrongSetup(
                detail,
                brief="The cloud refuses our credentials",
                remedy=f"look at user, password and project of {cloud!r} in clouds.yaml",
            )
        case 403:
            return WrongSetup(
                detail, brief="The cloud forbids this", remedy=f"give the user of {cloud!r} the role for it"
            )
        case 404:
            return ServerMissing(detail)
        case 400:
            return WrongSetup(
                detail,
                brief="The cloud refuses the request",
                remedy="compare the names in the configuration with what the cloud has",
            )
        case 409:
            return Temporary(detail, brief="The cloud cannot do this now")
        case 408 | 413 | 429:
            return ApiDown(detail, brief="The cloud asks us to slow down")
    return _without_status(error, detail, cloud) if status is None else ApiDown(detail)


@contextmanager
def ignored(status: int) -> Iterator[None]:
    """Let the SDK's error of this HTTP status pass."""
    try:
        yield
    except OSError as error:
        if status_of(error) != status:
            raise


def status_of(error: Exception) -> int | None:
    """Return the HTTP status that an error of the SDK or of keystoneauth tells, if any."""
    status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
    return status if isinstance(status, int) else None


def _without_status(error: Exception, detail: str, cloud: str) -> XenciError:
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk

    if isinstance(error, sdk.ConfigException | keystone.AuthPluginException):
        return WrongSetup(
            detail,
            brief="clouds.yaml does not describe this cloud",
            remedy=f"add {cloud!r} to clouds.yaml, or name its file by OS_CLIENT_CONFIG_FILE",
        )
    if isinstance(error, keystone.CatalogException):
        return WrongSetup(
            detail, brief="The cloud's catalogue lacks a service", remedy=f"look at the region of {cloud!r}"
        )
    return ApiDown(detail, remedy="it is tried again; look at the cloud's own status if it lasts")


def _words(error: Exception) -> str:
    """Return what the cloud says: one line, without the address and the request's id where the SDK tells them apart."""
    details = getattr(error, "details", None)
    text = details if isinstance(details, str) and details else str(error) or type(error).__name__
    return " ".join(text.split())[:400]
