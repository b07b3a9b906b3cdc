"""Step 1 of the store's own migrations, and the models that look at its tables."""

from django.db import migrations, models

from webhooksub.contrib.django.fields import MsField, PairField, UuidField
from webhooksub.contrib.django.schema import Step


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        Step(1),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("id", UuidField(max_length=16, unique=True, verbose_name="id")),
                ("root", models.TextField()),
                ("owner", models.TextField()),
                ("resource", models.TextField()),
                ("action", models.SmallIntegerField()),
                ("channel", models.SmallIntegerField()),
                ("url", models.TextField(null=True, verbose_name="URL")),
                ("socket_event", models.TextField(null=True)),
                ("expires_at", MsField()),
                ("expires_text", models.TextField()),
                ("brand_code", models.TextField(null=True)),
                ("max_retries", models.IntegerField(null=True)),
                ("options", models.TextField()),
                ("status", models.SmallIntegerField()),
                ("status_reason", models.TextField(null=True)),
                ("failing_since", MsField(null=True)),
                ("created_at", MsField()),
                ("updated_at", MsField()),
                ("deleted_at", MsField(null=True)),
            ],
            options={
                "db_table": "webhooksub_subscription",
                "ordering": ["-seq"],
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("id", UuidField(max_length=16, unique=True, verbose_name="id")),
                ("root", models.TextField()),
                ("action", models.SmallIntegerField()),
                ("paths", models.TextField()),
                ("open_id", models.TextField(null=True)),
                ("published_at", MsField()),
                ("data", models.BinaryField(null=True)),
            ],
            options={"db_table": "webhooksub_event", "ordering": ["-seq"], "managed": False},
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("key", PairField("event_seq", "subscription_seq", serialize=False)),
                ("state", models.SmallIntegerField()),
                ("attempts", models.IntegerField()),
                ("next_at", MsField(null=True)),
                ("batch", models.TextField(null=True)),
                ("http_status", models.IntegerField(null=True, verbose_name="HTTP status")),
                ("outcome", models.SmallIntegerField(null=True)),
                ("duration_ms", models.BigIntegerField(null=True, verbose_name="duration, ms")),
                ("updated_at", MsField()),
            ],
            options={
                "db_table": "webhooksub_delivery",
                "ordering": ["-event_id", "-subscription_id"],
                "managed": False,
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("n", models.IntegerField()),
                ("started_at", MsField()),
                ("duration_ms", models.BigIntegerField(verbose_name="duration, ms")),
                ("http_status", models.IntegerField(null=True, verbose_name="HTTP status")),
                ("outcome", models.SmallIntegerField()),
                ("address", models.TextField(null=True)),
                ("snippet", models.BinaryField(null=True)),
                ("batch", models.TextField(null=True)),
            ],
            options={"db_table": "webhooksub_attempt", "ordering": ["-seq"], "managed": False},
        ),
    ]
