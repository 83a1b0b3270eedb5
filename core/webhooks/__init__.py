"""Webhooks as transactions: who listens, what is told, what became of it.

Every function here takes a session and leaves the commit to its caller. Events are written in the
transaction that changes the state they tell of, after the locks of `core.lifecycle`; endpoints are
locked before deliveries, each by ascending id.
"""
