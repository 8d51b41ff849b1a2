"""The configuration of money: in which currency prices are told, and what a year may cost."""

from typing import Annotated

from pydantic import Field

from xenci.config.models.base import Model


class Cost(Model):
    """What may be spent. Prices stand with the labels of each provider."""

    #: of every price and of the budget, by its three letters
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    #: what the nodes of a year may cost; an alarm says so when a month is going to pass its share
    budget_per_year: float = Field(default=15_000, gt=0)
