"""Node images: snapshots of prepared nodes, from which the next nodes are launched."""

from enum import StrEnum


class ImageState(StrEnum):
    """Where a node image stands."""

    #: a node is launched from the configured image
    BUILDING = "building"
    #: the playbook runs on the node; then the node is proved
    PREPARING = "preparing"
    #: the cloud makes the snapshot
    SNAPSHOTTING = "snapshotting"
    #: a node is launched from the snapshot and proved
    TRYING = "trying"
    #: tried; no node is launched from it until it is promoted
    READY = "ready"
    #: every node of its provider and label is launched from it
    PROMOTED = "promoted"
    #: was promoted; a rollback may come back to it
    RETIRED = "retired"
    #: never used; what the cloud has of it is deleted
    FAILED = "failed"
    #: the cloud is asked to delete it
    DELETING = "deleting"
    #: gone; the row is history
    DELETED = "deleted"


#: States in which something is being done towards an image.
WORKING_STATES = frozenset({ImageState.BUILDING, ImageState.PREPARING, ImageState.SNAPSHOTTING, ImageState.TRYING})
#: States of images that were tried, and are kept or used.
KEPT_STATES = frozenset({ImageState.READY, ImageState.PROMOTED, ImageState.RETIRED})
