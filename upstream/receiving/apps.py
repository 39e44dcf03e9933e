from django.apps import AppConfig


class ReceivingConfig(AppConfig):
    name = "upstream.receiving"
    label = "receiving"
