"""The app, whose start touches no database."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from . import checks, devserver
from .schema import make_without_migrations


class WebhooksubConfig(AppConfig):
    """``INSTALLED_APPS = [..., "webhooksub.contrib.django"]``."""

    name = "webhooksub.contrib.django"
    label = "webhooksub"
    verbose_name = "Webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        checks.register_all()
        post_migrate.connect(make_without_migrations, sender=self)
        devserver.start_if_serving()
