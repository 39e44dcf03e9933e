from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "upstream.ledger"
    label = "ledger"
