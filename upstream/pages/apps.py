from django.apps import AppConfig


class PagesConfig(AppConfig):
    name = "upstream.pages"
    label = "pages"
