"""What the pages tell of the CI itself: criteria, alarms, the queue, events, nodes, signs of life, figures."""

from datetime import timedelta

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete

from tests.browser.conftest import World
from tests.browser.reading import Page, read
from xenci.clock import now
from xenci.dashboard.app import create_app
from xenci.store.tables import NodeRow


def test_conflicts_name_their_files(world: World) -> None:
    words = read(world, "/health").words
    assert "nova/virt/libvirt/config.py" in words
    assert "Boot paravirtualized" in words
    assert "nova/virt/libvirt/utils.py" in read(world, f"/buildset/{world.sample.buildsets['merge']}").words


def test_health_names_what_wants_a_person_with_its_remedy(world: World) -> None:
    words = read(world, "/health").words
    assert "1 thing wants a person: The quota of cb is full" in words
    assert "raise the quota, or lower max_servers of cb" in words
    assert "Gerrit answers 503" in words


def test_the_queue_says_what_waits_and_why(world: World) -> None:
    page = read(world, "/queue")
    change = world.sample.changes["waiting"]
    assert f"1 build waits, 1 running; the next is {change},1" in page.words
    assert "xen: 1 ready, 1 being made, 1 of 4 in use" in page.words
    assert "A node of xen is ready: it starts in a moment." in page.words
    twin = world.client.get("/api/queue").json()
    assert [(one["place"], one["change"], one["label"]) for one in twin["waiting"]] == [(1, f"{change},1", "xen")]
    assert [one["doing"] for one in twin["running"]] == ["Tempest runs"]


def test_the_events_say_what_became_of_each_and_what_was_missed(world: World) -> None:
    page = read(world, "/events")
    assert "in 30 days was missed by the stream and found all the same" in page.words
    assert "only documentation files" in page.words
    found = read(world, "/events?view=found")
    assert "Found by looking at the change: started buildset 8." in found.words
    assert "patchset-created" not in found.words
    one = read(world, f"/events?change={world.sample.changes['waiting']}")
    assert "of all changes" in one.words
    assert "No event matches" in read(world, "/events?change=1").words
    twin = world.client.get("/api/events?view=found").json()
    assert [row["source"] for row in twin["events"]] == ["reconcile"]
    assert sum(day["missed"] for day in twin["found"]) == 1
    assert twin["older"] is None


def test_healthz_is_well_while_the_loops_beat_and_503_with_reasons_when_not(world: World) -> None:
    body = world.client.get("/healthz").json()
    assert (body["ok"], body["reasons"], body["open_alarms"], body["reports_waiting"]) == (True, [], 1, 1)
    later = TestClient(create_app(world.settings, world.database, lambda: now() + timedelta(hours=1)))
    answer = later.get("/healthz")
    assert answer.status_code == 503
    assert [reason.split(" since")[0] for reason in answer.json()["reasons"]] == [
        "no sign of life of the listener",
        "no sign of life of the worker",
    ]
    assert "No sign of listener and worker" in Page(later.get("/builds").text).words


def test_every_criterion_is_a_row_and_says_why_it_stands_so(world: World) -> None:
    page = read(world, "/")
    for name in [f"B{i}" for i in range(19)] + [f"A{i}" for i in range(12)]:
        assert name in page.ids
    assert "cannot be measured yet" in page.words
    assert "share one failure domain" in page.words


def test_the_newest_failed_launch_is_the_last_one(world: World) -> None:
    at = now()
    with world.database.session() as session:
        made = [
            NodeRow(name=f"failed-{i}", label="xen", provider="ca", state="deleting", failure="no-ssh", reason=reason,
                    created_at=at, state_at=at)
            for i, reason in enumerate(["the older one", "the newer one"])
        ]  # fmt: skip
        session.add_all(made)
    try:
        assert "Last: no-ssh. the newer one" in read(world, "/nodes").words
    finally:
        with world.database.session() as session:
            session.execute(delete(NodeRow).where(NodeRow.id.in_([row.id for row in made])))


def test_metrics_can_be_read_by_prometheus(world: World) -> None:
    families = {f.name: f for f in text_string_to_metric_families(world.client.get("/metrics").text)}
    assert families["xenci_builds_running"].samples[0].value == 1
    assert families["xenci_nodes"].samples
    by = {(s.labels["result"], s.labels["fault"]): s.value for s in families["xenci_builds_ended"].samples}
    assert by["TIMED_OUT", "unknown"] == 1
