"""How a route runs: inside one transaction, and with no parameter that it does not know."""
