"""The report room: what a run says of itself, for people and as JSON. It reads the checkpoint and the outbox only."""
