"""Neutron's mechanism driver of the lab: it binds every port at once, since there is no agent that would do it.

Neutron loads such drivers by entry point only: hence the folder of metadata beside this file, which makes it a
distribution that needs no installing once this folder is on Python's path.
"""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class AlwaysBind(api.MechanismDriver):
    """Every port is ACTIVE as soon as it belongs to a server."""

    # Neutron asks each driver what it can connect
    connectivity = portbindings.CONNECTIVITY_L2

    def initialize(self):
        """Nothing to set up."""

    def bind_port(self, context):
        """Bind the port to the first segment of its network."""
        for segment in context.segments_to_bind[:1]:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_OVS,
                {
                    portbindings.CAP_PORT_FILTER: True,
                    portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2,
                },
                status=constants.PORT_STATUS_ACTIVE,
            )

    def filter_hosts_with_segment_access(self, context, segments, candidate_hosts, agent_getter):
        """Every host reaches every segment: they are all this machine."""
        return set(candidate_hosts)
