"""The crash proof in parts, put together by `proof`.

`shop` makes input and knows what must come of it, `bodies` compares events, `calls` runs the tool as a process, `kills`
says when it dies, `kept` reads what it left behind, `oracle` judges the server's record. No part shares a rule with the
tool: what must arrive is worked out here once more, row by row, from the same export.
"""
