"""What the pages may have done for a person who showed a token. The pages themselves only read."""

from typing import Protocol

from xenci.model.pool import Terms, Wish


class Hand(Protocol):
    """An operator's hand. Each call writes its audit row and returns what is said to the person.

    Each raises NotFound for a name that is none, and Permanent with a remedy for what cannot be done.
    """

    def drain(self, provider: str, wish: Wish) -> str:
        """Launch nothing on a provider, and give up what runs no build."""

    def enable(self, provider: str, wish: Wish) -> str:
        """Use a drained provider again."""

    def scale(self, name: str, value: int | None, wish: Wish) -> str:
        """Say how many servers a provider, or nodes a label, may have; None: as configured."""

    def min_ready(self, label: str, value: int | None, wish: Wish) -> str:
        """Say how many nodes of a label are kept ready; None: as configured."""

    def hold(self, node: str, terms: Terms, wish: Wish) -> str:
        """Keep a node for a person."""

    def release(self, node: str, wish: Wish) -> str:
        """End a node's hold."""

    def delete(self, node: str, wish: Wish) -> str:
        """Delete a node, whatever it does."""

    def end_autohold(self, number: int, wish: Wish) -> str:
        """Take a standing wish back."""

    def console(self, node: str) -> str:
        """Return the end of a node's console, as its cloud tells it now."""
