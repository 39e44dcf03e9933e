"""`python -m agent.cli` is `slipkeeper`: how one process of ours starts another with the same interpreter."""

from agent.cli import main

main()
