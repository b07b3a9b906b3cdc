"""``path("api/", include("webhooksub.contrib.django.urls"))`` offers ``/api/webhooks``."""

from django.urls import re_path

from .views import api

app_name = "webhooksub"
urlpatterns = [re_path(r"^(?P<path>.*)$", api, name="api")]
