"""After a year the loops read no more than on the first day."""

from datetime import timedelta

import pytest
from sqlalchemy import Executable, text
from sqlalchemy.dialects import postgresql

from tests.flows.world import World
from xenci.services.pool_world import asked, ended, read_world
from xenci.services.tick import unanswered

pytestmark = pytest.mark.own_database


def make_history(world: World) -> None:
    """A node each five minutes for a year, none of the last three days but two; and as many events."""
    nodes = (
        "insert into nodes (name, label, provider, state, created_at, ready_at, failed_at, failure, reason) "
        "select 'n' || i, 'xen', case when i < 40000 then 'old' else 'ca' end, 'deleted', at, at, null, null, '' "
        "from generate_series(1, 50000) i, lateral (select :at - make_interval(mins => 5 * (50000 - i)) - "
        "case when i < 49999 then interval '3 days' else interval '0' end as at) times"
    )
    events = (
        "insert into events (received_at, source, type, payload, change, outcome) select :at - interval '1 hour', "
        "'stream', 'x', '{}', i, case when i % 10000 = 0 then null else 'done' end from generate_series(1, 50000) i"
    )
    with world.database.session() as session:
        session.execute(text(nodes), {"at": world.now})
        session.execute(text(events), {"at": world.now})
    with world.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze nodes, events"))


def plan(world: World, query: Executable) -> str:
    words = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]
    with world.database.session() as session:
        return "\n".join(row[0] for row in session.execute(text(f"explain {words}".replace(":", "\\:"))))


def test_the_pool_reads_the_launches_of_late_alone_and_by_an_index(world: World) -> None:
    make_history(world)
    with world.database.session() as session:
        seen = read_world(world.ctx, session, world.now)
    assert set(seen.asked_at) == {("ca", "xen")}
    assert seen.asked_at["ca", "xen"] == world.now
    assert len(seen.endings) == 2
    for query in (asked(world.now), ended(world.now)):
        assert "ix_nodes_created_at" in plan(world, query)


def test_events_without_an_answer_are_found_by_an_index_of_their_own(world: World) -> None:
    make_history(world)
    with world.database.session() as session:
        assert len(session.scalars(unanswered(world.now)).all()) == 5
    assert "ix_events_unanswered" in plan(world, unanswered(world.now))


def test_a_launch_of_yesterday_still_counts(world: World) -> None:
    made = "insert into nodes (name, label, provider, state, created_at, failed_at, failure, reason) values "
    made += "('n', 'xen', 'ca', 'deleted', :at, :at, 'boot', 'no disk')"
    with world.database.session() as session:
        session.execute(text(made), {"at": world.now - timedelta(hours=23)})
        (ending,) = read_world(world.ctx, session, world.now).endings
    assert (ending.failure, ending.reason) == ("boot", "no disk")
