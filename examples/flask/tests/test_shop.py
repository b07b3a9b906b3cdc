"""The shop's own tests: what is published is captured, and nothing is delivered."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from shop import create_app
from shop.extensions import db, hooks
from shop.models import Shop
from shop.webhooks import token_for

from webhooksub.testing import CapturedEvents


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    app = create_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'shop.db'}")
    with app.app_context():
        db.create_all()
        db.session.add(Shop(owner="ann"))
        db.session.commit()
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token_for('ann')}"
    yield client
    with app.app_context():
        hooks.close()


def test_an_order_is_published(client: FlaskClient, published: CapturedEvents) -> None:
    assert client.post("/orders", json={"shop": 1, "totals": ["9.90"]}).status_code == 201
    assert client.post("/orders/1/pay").status_code == 200
    assert [(e.path, e.action) for e in published] == [
        ("shop/1/order/1", "create"),
        ("shop/1/order/1", "update"),
    ]
    assert published[1].data == {"order": 1, "total": "9.90", "paid": True}


def test_what_the_bank_refuses_is_not_published(
    client: FlaskClient, published: CapturedEvents
) -> None:
    given = {"shop": 1, "totals": ["5.00", "2000", "6.00"]}
    assert client.post("/orders", json=given).status_code == 402
    assert published == []
    assert client.post("/orders", json=given | {"partly": True}).status_code == 201
    assert [e.data["total"] for e in published] == ["5.00", "6.00"]


def test_others_see_no_shop_and_no_order(client: FlaskClient) -> None:
    client.post("/orders", json={"shop": 1, "totals": ["9.90"]})
    with client.application.app_context():
        eve = {"Authorization": f"Bearer {token_for('eve')}"}
    assert client.post("/orders/1/pay", headers=eve).status_code == 404
    assert client.get("/api/webhooks", headers=eve).json["totalCount"] == 0
    assert client.get("/api/webhooks", headers={"Authorization": ""}).status_code == 401
