"""Orders, the subscription API, the admin."""

from django.contrib import admin
from django.urls import include, path
from shop import views

urlpatterns = [
    path("orders", views.create_orders),
    path("orders/<int:pk>/pay", views.pay),
    path("api/", include("webhooksub.contrib.django.urls")),
    path("admin/", admin.site.urls),
]
