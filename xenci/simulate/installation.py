"""What is simulated: pipelines, labels and providers, of a configuration or those that this module assumes."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from xenci.config.models import Label, Pipeline, Settings, Trigger
from xenci.model.change import Account
from xenci.rules.pool import Supply
from xenci.simulate.lengths import Length

_LABEL = "xen"
_ME = Account(username="xen-project-ci")
_BOOT = Length(mean=timedelta(minutes=12))
_RUN = Length(mean=timedelta(minutes=75), spread=timedelta(minutes=20))
#: what is irrelevant for a Xen host, as in configs/opendev.yaml
_IRRELEVANT = (
    r"^(api-guide|api-ref|doc|releasenotes)/",
    r"^.*\.rst$",
    r"^nova/locale/",
    r"^nova/tests/",
    r"^(LICENSE|\.gitignore|\.zuul\.yaml)$",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cis:
    """Whose comments never trigger."""

    ignored_users: tuple[str, ...] = ("zuul",)
    ignored_names: str = r"\bCI$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What there is, but for the number of nodes."""

    pipelines: tuple[Pipeline, ...]
    #: the label of each job that takes a node
    label_of: Mapping[str, str]
    labels: tuple[Label, ...]
    supplies: tuple[Supply, ...]
    prices: Mapping[tuple[str, str], float] = field(default_factory=dict)
    currency: str = "USD"
    me: Account = _ME
    cis: Cis = field(default_factory=Cis)

    @property
    def room(self) -> int:
        """Servers that all providers together let us have; a drained one gives none."""
        return sum(supply.capacity for supply in self.supplies if not supply.drained)

    @property
    def weights(self) -> Mapping[str, float]:
        """Providers' weights by their names."""
        return {supply.name: supply.weight for supply in self.supplies}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is assumed of nodes and builds."""

    #: most nodes of each label
    nodes: int
    #: from the call that makes a server until it is a verified Xen host
    boot: Length = _BOOT
    #: from a node to the report
    run: Length = _RUN
    #: from the end of a build, or of a launch, until the server is gone
    deletion: timedelta = timedelta(minutes=1)
    #: share of launches that fail, after the length of a boot
    failures: float = 0.05
    seed: int = 1

    def chance(self, what: str, number: int) -> random.Random:
        """Return a source of chance that is the same for the same thing, whatever else happens."""
        return random.Random(f"{self.seed}/{what}/{number}")


def assumed(*, quotas: Sequence[int] = (13, 12), min_ready: int = 4, price: float | None = None) -> Installation:
    """Return Nova's check pipeline with one job on as many providers as there are quotas."""
    trigger = Trigger(projects=("openstack/nova",), irrelevant_files=_IRRELEVANT, copy_verdict=("NO_CODE_CHANGE",))
    names = [f"cloud-{number}" for number, _ in enumerate(quotas, 1)]
    return Installation(
        pipelines=(Pipeline(name="check", mode="vote", trigger=trigger, jobs=("xen-tempest-full",)),),
        label_of={"xen-tempest-full": _LABEL},
        labels=(Label(name=_LABEL, min_ready=min_ready, max_nodes=max(1, sum(quotas))),),
        supplies=tuple(
            Supply(name=name, labels=frozenset({_LABEL}), capacity=quota)
            for name, quota in zip(names, quotas, strict=True)
        ),
        prices={} if price is None else {(name, _LABEL): price for name in names},
    )


def of_settings(settings: Settings) -> Installation:
    """Return what a configuration has; jobs that take no node count for nothing."""
    label_of = {job.name: job.label for job in settings.jobs if not job.noop}
    return Installation(
        pipelines=tuple(one for one in settings.pipelines if any(job in label_of for job in one.jobs)),
        label_of=label_of,
        labels=settings.labels,
        supplies=tuple(
            Supply(
                name=provider.name,
                labels=frozenset(entry.name for entry in provider.labels),
                capacity=provider.max_servers,
                weight=provider.weight,
                least_share=provider.least_share,
                wanted=provider.max_servers,
            )
            for provider in settings.providers
        ),
        prices=settings.prices,
        currency=settings.cost.currency,
        me=Account(username=settings.gerrit.user),
        cis=Cis(ignored_users=settings.gerrit.ignored_users, ignored_names=settings.gerrit.ignored_names),
    )
