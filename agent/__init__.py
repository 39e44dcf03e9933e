"""The part of Slipkeeper that stands beside a card terminal: journal, paper, menu, sync."""

__version__ = "0.1.0"
