"""The pages a proxy in front of a broker answers with."""

from __future__ import annotations

__all__ = ["proxy_page"]

_NGINX = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
)
_TITLES = {
    401: "401 Authorization Required",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}


def proxy_page(status: int) -> bytes:
    """Return the HTML of an answer that no broker gave."""
    return _NGINX.format(_TITLES.get(status, f"{status} Error")).encode()
