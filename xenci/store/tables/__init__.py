"""The tables: facts as rows. State is derived from them, so a row says what happened and when, not what to do next.

Names of enumerations are stored as text, checked by the program: a new member needs no migration. Times are aware.
"""

from xenci.store.tables.builds import ArtifactRow, BuildRow, BuildsetRow, EvidenceRow, PhaseRow, ReportRow, TestRow
from xenci.store.tables.clouds import ApiCallRow, StrayRow
from xenci.store.tables.gerrit import ChangeRow, CommentRow, EventRow, PatchsetRow
from xenci.store.tables.images import ImageRow
from xenci.store.tables.metadata import Base
from xenci.store.tables.nodes import NodeRow, ProviderRow
from xenci.store.tables.operation import ActionRow, AlarmRow, HeartRow, SwitchRow, WatermarkRow
from xenci.store.tables.pool import AutoholdRow, HoldRow, OverrideRow, TokenRow

__all__ = [
    "ActionRow",
    "AlarmRow",
    "ApiCallRow",
    "ArtifactRow",
    "AutoholdRow",
    "Base",
    "BuildRow",
    "BuildsetRow",
    "ChangeRow",
    "CommentRow",
    "EventRow",
    "EvidenceRow",
    "HeartRow",
    "HoldRow",
    "ImageRow",
    "NodeRow",
    "OverrideRow",
    "PatchsetRow",
    "PhaseRow",
    "ProviderRow",
    "ReportRow",
    "StrayRow",
    "SwitchRow",
    "TestRow",
    "TokenRow",
    "WatermarkRow",
]
