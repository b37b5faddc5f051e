"""Files elsewhere: s3:// and gs:// through Arrow's filesystems, https:// through requests; all read by one stream.

Nothing here is loaded before a job names such a file.
"""

from etl.source.remote.find import find_remote

__all__ = ["find_remote"]
