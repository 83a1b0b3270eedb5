"""Webhooks as transactions: endpoints, events, deliveries and attempts.

Every function here takes a session and leaves the commit to its caller. Events are recorded in the
transaction that changes the state they are about, after its own locks; endpoints are locked before
deliveries, each by ascending id.
"""
