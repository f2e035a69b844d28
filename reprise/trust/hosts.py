"""Tells hosts on the public internet from those that only this machine or its network reaches."""

import ipaddress
import socket


def is_public(host: str) -> bool:
    """Tell whether a host has no address on this machine or in its network.

    A name that nobody knows counts as public: whoever connects to it gets the resolver's error.
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
