"""The stand-in server: the API's contract on loopback, with a record of all it accepted and misbehaviour on demand.

For the demo, the tests and users' dry runs. `settings` says what it shall be like, `contract` what the API answers to a
body, `faults` how it misbehaves, `recorder` writes and `record` reads what arrived, `server` puts them together,
`process` starts it as a child, `command` is `clickreplay sandbox`. It knows nothing of jobs and is an oracle of its
own: it shares no rule with `schemas`.
"""
