"""Speed as ratios to a limit measured in the same run. `make bench` prints them; nothing here is a timed test."""
