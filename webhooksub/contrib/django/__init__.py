"""webhooksub in a Django project. Needs the extra ``django``.

::

    INSTALLED_APPS = [..., "webhooksub.contrib.django"]
    WEBHOOKSUB = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}

Importing this module touches neither the database nor the models, so that models may use it.
"""

from .dispatcher import OPERATOR, DjangoDispatcher, hooks
from .resources import publish_many, webhook_resource

__all__ = ["OPERATOR", "DjangoDispatcher", "hooks", "publish_many", "webhook_resource"]
