"""Where requests may go: public hosts on a few ports, and what the operator allows beside them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Self

from core.egress.addresses import Address, Network, inner, refusal
from core.egress.url import Destination, parse_url
from core.errors import ForbiddenUrlError, InvalidSettingError
from core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class EgressPolicy:
    """What the operator has decided."""

    ports: Collection[range]
    hosts: Collection[str] = frozenset()
    """Names that may resolve to any address."""
    networks: Sequence[Network] = ()
    """Addresses that are allowed whatever they are."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the operator's decisions.

        Raises:
            InvalidSettingError: An entry is neither a host nor a network.
        """
        hosts, networks = set(), []
        for entry in filter(None, (one.strip() for one in settings.outbound_allow.split(","))):
            try:
                networks.append(ip_network(entry))
            except ValueError as error:
                if "/" in entry or ":" in entry:
                    raise InvalidSettingError(
                        f"PACKSHOT_OUTBOUND_ALLOW: {entry!r} is not a network ({error})."
                    ) from error
                hosts.add(entry.lower())
        return cls(ports=_ranges(settings.outbound_ports), hosts=hosts, networks=networks)

    def judge(self, url: str) -> Destination:
        """Parse a caller's URL and check what can be checked without looking its host up.

        Raises:
            ForbiddenUrlError: It may not be requested; the reason is in the sentence.
        """
        target = parse_url(url)
        if not any(target.port in ports for ports in self.ports):
            raise ForbiddenUrlError(
                f"Port {target.port} is not allowed in a URL; the operator allows ports with "
                "PACKSHOT_OUTBOUND_PORTS."
            )
        if target.address is not None:
            self.check(target.host, target.address)
        elif target.host not in self.hosts and _is_own(target.host):
            raise ForbiddenUrlError(
                f"{target.host} is this machine itself. The operator allows hosts with "
                "PACKSHOT_OUTBOUND_ALLOW."
            )
        return target

    def check(self, host: str, address: Address) -> None:
        """Check whether an address may be connected to for a host.

        Raises:
            ForbiddenUrlError: It may not.
        """
        if host in self.hosts or self._allows(address) or self._allows(inner(address)):
            return
        reason = refusal(address)
        if reason is not None:
            raise ForbiddenUrlError(
                f"{host} resolves to {address}, which is {reason}. The operator allows hosts and "
                "networks with PACKSHOT_OUTBOUND_ALLOW."
            )

    def _allows(self, address: Address) -> bool:
        return any(
            address.version == network.version and address in network for network in self.networks
        )


def _is_own(host: str) -> bool:
    """Check whether a name means the machine that asks (RFC 6761, section 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def _ranges(ports: str) -> Sequence[range]:
    found = []
    for part in ports.split(","):
        first, _, last = part.partition("-")
        found.append(range(int(first), int(last or first) + 1))
    return found
