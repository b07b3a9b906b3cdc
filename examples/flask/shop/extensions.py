"""What every part of the shop shares; `create_app` gives them to the app."""

from flask_sqlalchemy import SQLAlchemy

from webhooksub.contrib.flask import Webhooksub

from .models import Base
from .webhooks import CATALOG, Authorizer

db = SQLAlchemy(model_class=Base)
hooks = Webhooksub(authorizer=Authorizer(db), catalog=CATALOG)
