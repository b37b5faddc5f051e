"""The delivery room: an outbox in, a verdict for each event out, every step of it in the checkpoint.

`post.deliver` is the door. Behind it, a small file an idea: `coordinator` decides, `sender` threads post, `lanes` keep
the order of a key, `pace` the rate, `breaker` the patience, `transport` posts over a `connection` to an `endpoint`,
`methods` are the shape of requests and answers, `checkpoint` the memory.
"""
