"""What the benchmarks of delivery are made of: an outbox, a server, the client in a process of its own, and its rival."""
