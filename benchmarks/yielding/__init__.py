"""How much slower /predict gets while a large evaluation runs as a job beside it."""
