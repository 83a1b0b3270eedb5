"""The life of a job, as transactions.

Every function here takes a session and leaves the commit to its caller.

Locks are always taken in the order generation, job, batch (each by ascending id), so two of these
transactions can wait for each other but never in a circle. New generations are inserted in the
order of their fingerprints: only other inserts wait for those.
"""
