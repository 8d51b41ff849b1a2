"""Nova's own fake compute driver, of which one process may have several: a host is a node of a uuid of its own."""

import uuid

from nova.virt import fake


class LabFakeDriver(fake.FakeDriverWithoutFakeNodes):
    """A server becomes ACTIVE, and nothing runs. The node's uuid is made of its host's name, and so outlives Nova."""

    def _uuid(self):
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self._host}.lab.invalid"))

    def get_available_resource(self, nodename):
        """Return the node's resources."""
        return super().get_available_resource(nodename) | {"uuid": self._uuid()}

    def get_nodenames_by_uuid(self, refresh=False):
        """Return the one node."""
        return {self._uuid(): self._host}
