"""What a slip says and how it looks: one model, many papers. Pure: no files but its own templates, no devices."""
