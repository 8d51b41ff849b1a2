"""The pool as JSON; see twins.py."""

from typing import Any

from xenci.dashboard.queries_pool import Circuit, LabelFigures, Pool, ProviderFigures
from xenci.dashboard.twins import moment
from xenci.model.node import NodeState
from xenci.model.pool import Override
from xenci.store.tables import AutoholdRow, HoldRow, ImageRow


def pool(found: Pool) -> dict[str, Any]:
    """Return the pool."""
    return {
        "labels": [_label(one) for one in found.labels],
        "providers": [_provider(one) for one in found.providers],
        "breakers": [_circuit(one) for one in found.circuits],
        "holds": [_hold(one) for one in found.holds],
        "autoholds": [_autohold(one) for one in found.autoholds],
    }


def image(row: ImageRow) -> dict[str, Any]:
    """Return a node image."""
    return {
        "id": row.id,
        "name": row.name,
        "provider": row.provider,
        "label": row.label,
        "state": row.state,
        "reason": row.reason,
        "base": row.base,
        "cloud_id": row.cloud_id,
        "recipe": row.recipe,
        "made_by": row.made_by,
        "created_at": moment(row.created_at),
        "state_at": moment(row.state_at),
        "ready_at": moment(row.ready_at),
        "promoted_at": moment(row.promoted_at),
    }


def said_by(words: tuple[Override, ...]) -> str:
    """Return who said what of a label or provider, and when; empty if the configuration alone counts."""
    return "; ".join(
        f"{word.kind.replace('_', ' ')} by {word.by} {word.at:%Y-%m-%d %H:%M}"
        + (f" ({word.reason})" if word.reason else "")
        for word in words
    )


def _label(one: LabelFigures) -> dict[str, Any]:
    return {
        "name": one.label.name,
        "min_ready": one.min_ready,
        "max_nodes": one.max_nodes,
        "ready": one.nodes[NodeState.READY],
        "coming": one.nodes[NodeState.BUILDING] + one.nodes[NodeState.TESTING],
        "in_use": one.nodes[NodeState.IN_USE],
        "held": one.nodes[NodeState.HOLD],
        "waiting": one.waiting,
        "set_by": said_by(one.words),
    }


def _provider(one: ProviderFigures) -> dict[str, Any]:
    is_silent = one.told is None or one.told.failing_since is not None
    return {
        "name": one.provider.name,
        "state": "drained" if one.drain else "silent" if is_silent else "used",
        "nodes": one.nodes,
        "max_servers": one.max_servers,
        "quota": one.told.quota if one.told else None,
        "weight": one.provider.weight,
        "least_share": one.provider.least_share,
        "set_by": said_by(one.words),
    }


def _circuit(one: Circuit) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "label": one.label,
        "reason": str(one.breaker.reason),
        "state": str(one.state),
        "failures": one.breaker.failures,
        "until": moment(one.breaker.open_until),
        "last": one.breaker.last.reason,
    }


def _hold(one: HoldRow) -> dict[str, Any]:
    return {
        "node": one.node.name,
        "owner": one.owner,
        "reason": one.reason,
        "made_by": one.made_by,
        "began_at": moment(one.began_at),
        "until": moment(one.until),
        "has_key": one.key_at is not None,
    }


def _autohold(one: AutoholdRow) -> dict[str, Any]:
    return {
        "id": one.id,
        "job": one.job,
        "label": one.label,
        "change": one.change,
        "endings": one.endings,
        "left": one.left,
        "owner": one.owner,
        "reason": one.reason,
        "made_by": one.made_by,
    }
