"""The watch on S3 buckets: objects become drops, and reports go back into the bucket.

Listing is truth, events are hints. The way of an object::

    listing / event ─ bring ─ fetch (digest) ─ intake … import ends … ─┬─ settle: keep, tag, move, delete
                       │                                                └─ tell: reports, then the status
                       └─ place: folder and name

`watch.py` gives inboxes their turns, `client.py` connects, `reach.py` tells an operator whether a bucket can be used.
Nothing of boto3 is loaded before an inbox is worked on for the first time.
"""
