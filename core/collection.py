"""Python's garbage collector in processes that answer requests."""

import gc


def settle() -> None:
    """Leave what is in memory now out of the collector's passes, for good.

    Call it once in a process, when everything is imported and set up. A pass over all of an API
    process's modules and routes stops every thread for 130 to 160 ms, about every five seconds at
    200 requests a second (decision 0020); what is left to look at afterwards takes a few.
    """
    gc.collect()
    gc.freeze()
