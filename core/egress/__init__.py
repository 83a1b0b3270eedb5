"""Requests to addresses that callers name: judged, looked up once, and sent to what was judged.

A URL from outside is hostile input: it may name this machine, its neighbours, or the metadata of
its cloud. `parse_url` refuses what no honest URL looks like, `refusal` knows which addresses are
nobody's business, and `EgressClient` connects to the very address that was judged.
"""
