"""What the entries add up to: terminals and transactions, projections that can be thrown away and made again."""
