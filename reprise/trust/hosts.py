"""Tell public hosts on the internet from hosts of this machine and its network."""

import ipaddress
import socket


def is_public(host: str) -> bool:
    """Return whether a host has no address on this machine or in its network.

    An unknown name counts as public: a connection to it ends with the resolver's error.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return all(_is_global(str(address[0])) for *_, address in found)


def _is_global(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return (mapped or address).is_global and not address.is_multicast
