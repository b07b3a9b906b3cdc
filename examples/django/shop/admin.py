"""Shops and orders in the admin; those of webhooks are there by themselves."""

from django.contrib import admin

from .models import Order, Shop

admin.site.register(Shop)
admin.site.register(Order, list_display=("id", "shop", "total", "paid"))
