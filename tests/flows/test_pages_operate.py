"""The operator's hand on the pages: who may act, which forms count, and what each action leaves behind."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from tests.flows.world import World
from xenci.dashboard.access import COOKIE, form_token
from xenci.dashboard.app import create_app
from xenci.model.pool import Autohold, OverrideKind, Terms, Wish
from xenci.services import consoles
from xenci.services.autoholds import add_autohold
from xenci.services.hand import OperatorsHand
from xenci.services.tokens import add_token, revoke_token
from xenci.store.holds import standing_wishes
from xenci.store.overrides import read_overrides
from xenci.store.tables import ActionRow, HoldRow, NodeRow

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIErAcUwUrj6ET4+52KEJPUslLc0PAbGIYz0xvjjMqiPc"
HERE = {"Origin": "http://testserver"}


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    """The pages, with a node in use."""
    with world.database.session() as session:
        session.add(
            NodeRow(
                name="test-node-000001", label="xen", provider="ca", state="ready", address="10.0.0.1",
                server_id="one", created_at=world.now, state_at=world.now, ready_at=world.now,
            )
        )  # fmt: skip
    settings = world.ctx.settings
    app = create_app(settings, world.database, lambda: world.now, OperatorsHand(settings, world.database))
    with TestClient(app, follow_redirects=False) as one:
        yield one


@pytest.fixture
def token(world: World) -> str:
    with world.database.session() as session:
        return add_token(session, "ann", Wish(who="test", at=world.now))


@pytest.fixture
def ann(client: TestClient, token: str) -> TestClient:
    """The pages as Ann sees them who is logged in."""
    answer = client.post("/login", data={"token": f" {token}\n"}, headers=HERE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/nodes")
    return client


def act(client: TestClient, token: str, path: str, **data: str) -> int:
    return client.post(path, data={"form": form_token(token)} | data, headers=HERE).status_code


def done(world: World) -> list[tuple[str, str, str]]:
    with world.database.session() as session:
        rows = session.scalars(select(ActionRow).order_by(ActionRow.id))
        return [(row.who, row.what, row.reason) for row in rows if row.who != "test"]


def test_without_a_token_the_pages_only_show(world: World, client: TestClient) -> None:
    page = client.get("/nodes").text
    assert 'action="/pool' not in page
    assert 'href="/login"' in page
    node = client.get("/node/test-node-000001").text
    assert 'action="/node' not in node
    for path in ("/pool/drain", "/node/test-node-000001/delete", "/autohold/1/delete", "/logout"):
        assert client.post(path, data={"name": "ca", "form": "x"}, headers=HERE).status_code == 403
    assert client.get("/node/test-node-000001/console").status_code == 403
    assert done(world) == []


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client: TestClient, token: str) -> None:
    cookie = client.post("/login", data={"token": token}, headers=HERE).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie, "the public address is not https"


def test_with_https_the_cookie_is_secure_and_the_public_address_is_an_origin(world: World, token: str) -> None:
    web = world.ctx.settings.web.model_copy(update={"public_url": "https://ci.example.org/"})
    settings = world.ctx.settings.model_copy(update={"web": web})
    app = create_app(settings, world.database, lambda: world.now, OperatorsHand(settings, world.database))
    with TestClient(app, follow_redirects=False) as client:
        answer = client.post("/login", data={"token": token}, headers={"Origin": "https://ci.example.org"})
        assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("wrong", ["", "xenci_nothing", "x" * 400])
def test_what_is_no_token_lets_nobody_in(client: TestClient, token: str, wrong: str) -> None:
    answer = client.post("/login", data={"token": wrong}, headers=HERE)
    assert answer.status_code == 403
    assert "This is no token" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_a_form_from_elsewhere_counts_for_nothing(
    world: World, ann: TestClient, token: str, origin: dict[str, str]
) -> None:
    data = {"name": "ca", "form": form_token(token)}
    assert ann.post("/pool/drain", data=data, headers=origin).status_code == 403
    assert ann.post("/login", data={"token": token}, headers=origin).status_code == 403
    assert done(world) == []


@pytest.mark.parametrize("form", ["", "x", form_token("xenci_another")])
def test_a_form_without_its_own_token_counts_for_nothing(world: World, ann: TestClient, form: str) -> None:
    assert ann.post("/pool/drain", data={"name": "ca", "form": form}, headers=HERE).status_code == 403
    assert done(world) == []


def test_the_forms_of_the_page_are_those_that_count(world: World, ann: TestClient, token: str) -> None:
    page = ann.get("/nodes")
    assert page.headers["cache-control"] == "private, no-store"
    assert set(re.findall(r'name="form" value="(\w+)"', page.text)) == {form_token(token)}
    assert token not in page.text
    assert act(ann, token, "/pool/drain", name="ca", reason="its network") == 303
    page = ann.get("/nodes")
    assert "It is drained" in page.text
    assert "by ann" in page.text
    assert "its network" in page.text
    assert act(ann, token, "/pool/scale", name="ca", value="2") == 303
    assert act(ann, token, "/pool/min-ready", name="xen", value="3") == 303
    with world.database.session() as session:
        assert {key: one.value for key, one in read_overrides(session).items()} == {
            (OverrideKind.DRAIN, "ca"): 0,
            (OverrideKind.MAX_SERVERS, "ca"): 2,
            (OverrideKind.MIN_READY, "xen"): 3,
        }
    assert act(ann, token, "/pool/enable", name="ca") == 303
    assert act(ann, token, "/pool/scale", name="ca", value="2", reset="1") == 303
    assert done(world) == [
        ("ann", "pool drain ca", "its network"),
        ("ann", "pool scale ca 2", ""),
        ("ann", "pool min-ready xen 3", ""),
        ("ann", "pool enable ca", ""),
        ("ann", "pool scale ca --reset", ""),
    ]
    assert world.nudges("pool") == [0]


def test_a_node_is_held_released_and_deleted(world: World, ann: TestClient, token: str) -> None:
    path = "/node/test-node-000001"
    assert act(ann, token, f"{path}/hold", owner="dana", reason="looks", length="2h", key=f"{KEY} dana@desk") == 303
    with world.database.session() as session:
        (hold,) = session.scalars(select(HoldRow))
        assert (hold.owner, hold.public_key, hold.until) == ("dana", KEY, world.now + timedelta(hours=2))
    page = ann.get(path).text
    assert "Held for dana until" in page
    assert "ssh root@10.0.0.1" in page
    assert act(ann, token, f"{path}/release", reason="seen") == 303
    with world.database.session() as session:
        assert session.get_one(NodeRow, 1).state == "deleting"
    assert act(ann, token, f"{path}/delete") == 303
    assert [what for _, what, _ in done(world)] == [
        "node hold test-node-000001 for dana, 2:00:00",
        "node release test-node-000001",
        "delete node test-node-000001",
    ]


def test_what_cannot_be_done_is_told_with_a_remedy(world: World, ann: TestClient, token: str) -> None:
    wrong = [
        ("/pool/drain", {"name": "nowhere"}, 404),
        ("/pool/explode", {"name": "ca"}, 422),
        ("/pool/scale", {"name": "ca", "value": "many"}, 422),
        ("/pool/scale", {"name": "ca", "value": "9999"}, 409),
        ("/node/test-node-000001/release", {}, 404),
        ("/node/nobody/delete", {}, 404),
        ("/node/test-node-000001/hold", {"reason": "x", "length": "soon"}, 422),
        ("/node/test-node-000001/hold", {"reason": "x", "length": "99999999999999999h"}, 422),
        ("/node/test-node-000001/hold", {"reason": "x", "length": f"{'9' * 400}d"}, 422),
        ("/node/test-node-000001/hold", {"reason": "x", "length": "90d"}, 409),
        ("/node/test-node-000001/hold", {"reason": " "}, 409),
        ("/node/test-node-000001/hold", {"reason": "x", "key": f'command="rm" {KEY}'}, 422),
        ("/autohold/7/delete", {}, 404),
    ]
    for path, data, status in wrong:
        assert act(ann, token, path, **data) == status, (path, data)
    assert done(world) == []


def test_a_standing_wish_is_taken_back(world: World, ann: TestClient, token: str) -> None:
    with world.database.session() as session:
        terms = Terms(owner="dana", reason="why", length=timedelta(hours=1))
        what = Autohold(job="xen-tempest", endings=("FAILURE",))
        add_autohold(session, world.ctx.settings, what, terms, Wish(who="test", at=world.now))
    assert 'action="/autohold/1/delete"' in ann.get("/nodes").text
    assert act(ann, token, "/autohold/1/delete") == 303
    with world.database.session() as session:
        assert standing_wishes(session) == []


def test_a_revoked_token_is_worth_nothing_at_once_and_logging_out_forgets_it(
    world: World, ann: TestClient, token: str
) -> None:
    assert "You act as" in ann.get("/nodes").text
    with world.database.session() as session:
        revoke_token(session, "ann", Wish(who="test", at=world.now))
    assert "You act as" not in ann.get("/nodes").text
    assert act(ann, token, "/pool/drain", name="ca") == 403
    with world.database.session() as session:
        again = add_token(session, "ann", Wish(who="test", at=world.now))
    ann.cookies.clear()
    ann.post("/login", data={"token": again}, headers=HERE)
    assert act(ann, again, "/logout") == 303
    assert COOKIE not in ann.cookies
    assert done(world) == []


def test_a_console_is_shown_as_text(world: World, ann: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cloud:
        def console(self, server_id: str) -> str:
            return f"{server_id}: <script>alert(1)</script>\n\x1b[31mred\x1b[0m"

    monkeypatch.setattr(consoles, "open_provider", lambda *_, **__: Cloud())
    page = ann.get("/node/test-node-000001/console")
    assert page.status_code == 200
    assert "one: &lt;script&gt;" in page.text
    assert "<script>alert" not in page.text
    assert page.headers["cache-control"] == "private, no-store"


def test_a_dashboard_without_a_hand_takes_no_token(world: World, token: str) -> None:
    with TestClient(create_app(world.ctx.settings, world.database, lambda: world.now)) as client:
        assert "only reads" in client.get("/login").text
        assert client.post("/login", data={"token": token}, headers=HERE).status_code == 403
        client.cookies.set(COOKIE, token)
        assert "You act as" not in client.get("/nodes").text
        assert act(client, token, "/pool/drain", name="ca") == 403
