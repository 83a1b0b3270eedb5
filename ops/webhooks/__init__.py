"""The deliverer: takes events from Postgres to those who want to hear of them."""
