"""Turns what libvirt raises into our errors, so that loops decide by class alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xenci.errors import XenciError
from xenci.providers.port import ApiDown, NoCapacity, ServerMissing, WrongSetup


@contextmanager
def translated(provider: str, uri: str, doing: str) -> Iterator[None]:
    """Raise our errors instead of libvirt's. `doing` completes "while ..."; a fault in our code passes through."""
    import libvirt

    try:
        yield
    except libvirt.libvirtError as error:
        raise translate(error, provider=provider, uri=uri, doing=doing) from error


def translate(error: Any, *, provider: str, uri: str, doing: str) -> XenciError:
    """Return the error of ours that means the same."""
    import libvirt as v

    detail = f"provider {provider}, {doing}: {' '.join(str(error).split())[:400]}"
    words, code = str(error).lower(), error.get_error_code()
    if "credentials" in words or code in (v.VIR_ERR_AUTH_FAILED, v.VIR_ERR_AUTH_CANCELLED, v.VIR_ERR_AUTH_UNAVAILABLE):
        return WrongSetup(detail, brief="libvirt refuses our credentials", remedy=f"look at who may use {uri}")
    if code in (v.VIR_ERR_ACCESS_DENIED, v.VIR_ERR_OPERATION_DENIED):
        return WrongSetup(detail, brief="libvirt forbids this", remedy=f"let xenci's user write at {uri}")
    if "unable to parse uri" in words or code in (v.VIR_ERR_NO_CONNECT, v.VIR_ERR_CONFIG_UNSUPPORTED):
        return WrongSetup(detail, brief="libvirt cannot do this here", remedy=f"look at the provider's uri {uri}")
    if code == v.VIR_ERR_NO_DOMAIN:
        return ServerMissing(detail)
    if "cannot allocate memory" in words or "no space left" in words:
        return NoCapacity(detail)
    return ApiDown(detail, remedy=f"it is tried again; look at libvirt's log at {uri} if it lasts")
