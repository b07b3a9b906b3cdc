"""A shop whose customers hear of their orders. ``flask --app shop run`` serves it.

`SHOP_DATABASE` names the database, `SHOP_SECRET` signs tokens, `SHOP_DEV=1` opens loopback
addresses for receivers on this machine.
"""

import os

import click
from flask import Flask

from .extensions import db, hooks
from .models import Shop
from .views import orders
from .webhooks import actor, token_for


def create_app(**config: object) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("SHOP_DATABASE", "sqlite:///shop.db")
    app.config["SECRET_KEY"] = os.environ.get("SHOP_SECRET", "only for the demo: no secret at all")
    app.config.update(config)
    db.init_app(app)
    hooks.init_app(app, db=db, actor=actor, dev=os.environ.get("SHOP_DEV") == "1")
    app.register_blueprint(orders)
    app.register_blueprint(hooks.blueprint(), url_prefix="/api")
    app.cli.add_command(open_shop)
    return app


@click.command("open-shop")
@click.argument("owner")
def open_shop(owner: str) -> None:
    """Make the tables and a shop of OWNER's; print its number and a token."""
    db.create_all()
    shop = Shop(owner=owner)
    db.session.add(shop)
    db.session.commit()
    click.echo(f"{shop.id} {token_for(owner)}")
