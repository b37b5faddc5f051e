"""clickreplay: replays clickstream history into the eSputnik (Yespo) event API."""

__version__ = "0.1.0"
