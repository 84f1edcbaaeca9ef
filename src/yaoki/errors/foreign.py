"""The exceptions of other libraries, by name: nothing is imported to know them.

A name is the top package and the class (`httpx2.ReadTimeout`), so a library may move its modules. Names that are common
to a pair of libraries, as openai's and anthropic's, are listed once for each.
"""

from yaoki.errors.natures import Nature

_STDLIB = {
    "builtins.TimeoutError": Nature.TIMEOUT,
    "builtins.ConnectionResetError": Nature.CUT,
    "builtins.ConnectionAbortedError": Nature.CUT,
    "builtins.BrokenPipeError": Nature.CUT,
    "builtins.ConnectionError": Nature.UNAVAILABLE,
    "builtins.EOFError": Nature.CUT,
    "builtins.UnicodeDecodeError": Nature.MALFORMED,
    "builtins.MemoryError": Nature.EXHAUSTED,
    "asyncio.IncompleteReadError": Nature.CUT,
    "asyncio.LimitOverrunError": Nature.MALFORMED,
    "http.IncompleteRead": Nature.CUT,
    "http.RemoteDisconnected": Nature.CUT,
    "json.JSONDecodeError": Nature.MALFORMED,
    "socket.gaierror": Nature.UNAVAILABLE,
    "ssl.SSLCertVerificationError": Nature.AUTHENTICATION,
    "ssl.SSLEOFError": Nature.CUT,
    "ssl.SSLZeroReturnError": Nature.CUT,
    "ssl.SSLError": Nature.UNAVAILABLE,
    "subprocess.TimeoutExpired": Nature.TIMEOUT,
    "sqlite3.IntegrityError": Nature.CONFLICT,
    "sqlite3.OperationalError": Nature.UNAVAILABLE,
    "sqlite3.DatabaseError": Nature.CORRUPTED,
}
_HTTP = {
    "TimeoutException": Nature.TIMEOUT,
    "ConnectError": Nature.UNAVAILABLE,
    "ReadError": Nature.CUT,
    "WriteError": Nature.CUT,
    "CloseError": Nature.CUT,
    "RemoteProtocolError": Nature.CUT,
    "LocalProtocolError": Nature.REJECTED,
    "UnsupportedProtocol": Nature.REJECTED,
    "ProtocolError": Nature.MALFORMED,
    "DecodingError": Nature.MALFORMED,
    "SSEError": Nature.MALFORMED,
    "TooManyRedirects": Nature.MALFORMED,
    "NetworkError": Nature.UNAVAILABLE,
    "TransportError": Nature.UNAVAILABLE,
    "ProxyError": Nature.UNAVAILABLE,
}
_PROVIDER_SDK = {
    "APITimeoutError": Nature.TIMEOUT,
    "APIConnectionError": Nature.UNAVAILABLE,
    "APIResponseValidationError": Nature.MALFORMED,
    "APIError": Nature.UNAVAILABLE,
    "WebSocketConnectionClosedError": Nature.CUT,
    "LengthFinishReasonError": Nature.OUTPUT_LIMIT,
    "ContentFilterFinishReasonError": Nature.FILTERED,
    "CredentialsError": Nature.AUTHENTICATION,
    "WorkloadIdentityError": Nature.AUTHENTICATION,
}
_PYDANTIC_AI = {
    "ModelRateLimitError": Nature.RATE_LIMITED,
    "ModelQuotaExceededError": Nature.QUOTA_EXCEEDED,
    "ModelOverloadedError": Nature.OVERLOADED,
    "ModelUnavailableError": Nature.UNAVAILABLE,
    "ModelServerError": Nature.UNAVAILABLE,
    "ModelTimeoutError": Nature.TIMEOUT,
    "ModelRequestTimeout": Nature.TIMEOUT,
    "ModelConnectionError": Nature.UNAVAILABLE,
    "ModelAuthenticationError": Nature.AUTHENTICATION,
    "ModelNotFoundError": Nature.NOT_FOUND,
    "ModelContextWindowExceededError": Nature.CONTEXT_OVERFLOW,
    "ModelRequestRejectedError": Nature.REJECTED,
    "ModelAPIError": Nature.UNAVAILABLE,
    "ContentFilterError": Nature.FILTERED,
    "OutputTokenLimitExceeded": Nature.OUTPUT_LIMIT,
    "UnexpectedModelBehavior": Nature.MALFORMED,
}
_BOTOCORE = {
    "NoCredentialsError": Nature.AUTHENTICATION,
    "PartialCredentialsError": Nature.AUTHENTICATION,
    "CredentialRetrievalError": Nature.AUTHENTICATION,
    "NoAuthTokenError": Nature.AUTHENTICATION,
    "TokenRetrievalError": Nature.AUTHENTICATION,
    "ReadTimeoutError": Nature.TIMEOUT,
    "ConnectTimeoutError": Nature.TIMEOUT,
    "ConnectionClosedError": Nature.CUT,
    "ResponseStreamingError": Nature.CUT,
    "ConnectionError": Nature.UNAVAILABLE,
    "HTTPClientError": Nature.UNAVAILABLE,
    "ParserError": Nature.MALFORMED,
    "BotoCoreError": Nature.REJECTED,  # it would not send the request at all
}
_URLLIB3 = {
    "TimeoutError": Nature.TIMEOUT,
    "ProtocolError": Nature.CUT,
    "DecodeError": Nature.MALFORMED,
    "HTTPError": Nature.UNAVAILABLE,
}
_AIOHTTP = {
    "ServerTimeoutError": Nature.TIMEOUT,
    "ClientConnectorCertificateError": Nature.AUTHENTICATION,
    "ServerFingerprintMismatch": Nature.AUTHENTICATION,
    "ClientConnectorError": Nature.UNAVAILABLE,
    "ClientConnectionResetError": Nature.CUT,
    "ServerDisconnectedError": Nature.CUT,
    "ClientPayloadError": Nature.CUT,
    "ContentTypeError": Nature.MALFORMED,
    "TooManyRedirects": Nature.MALFORMED,
    "WebSocketError": Nature.MALFORMED,
    "InvalidURL": Nature.REJECTED,
    "ClientConnectionError": Nature.UNAVAILABLE,
    "ClientError": Nature.UNAVAILABLE,
}
_SQLALCHEMY = {
    "TimeoutError": Nature.OVERLOADED,  # the pool has no free connection
    "DisconnectionError": Nature.UNAVAILABLE,
    "IntegrityError": Nature.CONFLICT,
    "OperationalError": Nature.UNAVAILABLE,
    "InterfaceError": Nature.UNAVAILABLE,
    "InternalError": Nature.UNAVAILABLE,
}
_PSYCOPG = {
    "IntegrityError": Nature.CONFLICT,
    "OperationalError": Nature.UNAVAILABLE,
    "InterfaceError": Nature.UNAVAILABLE,
    "InternalError": Nature.UNAVAILABLE,
}
_REDIS = {
    "TimeoutError": Nature.TIMEOUT,
    "BusyLoadingError": Nature.OVERLOADED,
    "OutOfMemoryError": Nature.OVERLOADED,
    "MaxConnectionsError": Nature.OVERLOADED,
    "AuthenticationError": Nature.AUTHENTICATION,
    "AuthorizationError": Nature.AUTHENTICATION,
    "NoPermissionError": Nature.AUTHENTICATION,
    "ConnectionError": Nature.UNAVAILABLE,
    "ReadOnlyError": Nature.UNAVAILABLE,
    "ClusterDownError": Nature.UNAVAILABLE,
    "TryAgainError": Nature.UNAVAILABLE,
    "InvalidResponse": Nature.MALFORMED,
    "WatchError": Nature.CONFLICT,
}
_OTHERS = {
    "anyio.BrokenResourceError": Nature.CUT,
    "anyio.ClosedResourceError": Nature.CUT,
    "anyio.EndOfStream": Nature.CUT,
    "mcp.MCPError": Nature.UNAVAILABLE,
    "mcp.McpError": Nature.UNAVAILABLE,
    "pydantic_core.ValidationError": Nature.MALFORMED,
    "websockets.ConnectionClosed": Nature.CUT,
    "websockets.PayloadTooBig": Nature.MALFORMED,
    "websockets.ProtocolError": Nature.MALFORMED,
    "websockets.InvalidHandshake": Nature.UNAVAILABLE,
    "livekit.APITimeoutError": Nature.TIMEOUT,
    "livekit.APIConnectionError": Nature.UNAVAILABLE,
    "livekit.APIError": Nature.UNAVAILABLE,
}


def _of(package: str, names: dict[str, Nature]) -> dict[str, Nature]:
    return {f"{package}.{name}": nature for name, nature in names.items()}


NATURE_BY_TYPE: dict[str, Nature] = {
    **_STDLIB,
    **_of("httpx2", _HTTP),
    **_of("httpcore2", _HTTP),
    **_of("httpx", _HTTP),
    **_of("httpcore", _HTTP),
    **_of("openai", _PROVIDER_SDK),
    **_of("anthropic", _PROVIDER_SDK),
    **_of("pydantic_ai", _PYDANTIC_AI),
    **_of("botocore", _BOTOCORE),
    **_of("urllib3", _URLLIB3),
    **_of("aiohttp", _AIOHTTP),
    **_of("sqlalchemy", _SQLALCHEMY),
    **_of("psycopg", _PSYCOPG),
    **_of("redis", _REDIS),
    **_OTHERS,
}

WRAPPERS = {
    "openai.APIConnectionError",
    "anthropic.APIConnectionError",
    "pydantic_ai.ModelAPIError",
    "pydantic_ai.UnexpectedModelBehavior",
    "httpx2.TransportError",
    "httpx.TransportError",
    "sqlalchemy.DBAPIError",
}
"""Exceptions that stand for another one: their cause knows better what happened, if it is known."""

JUDGED = {
    f"pydantic_ai.{name}": _PYDANTIC_AI[name]
    for name in (
        "ModelAuthenticationError",
        "ModelContextWindowExceededError",
        "ModelNotFoundError",
        "ModelQuotaExceededError",
    )
}
"""Exceptions whose type says more than the status they carry: there are providers that answer 400 for a wrong key."""

NATURE_BY_STATUS: dict[int, Nature] = {
    401: Nature.AUTHENTICATION,
    402: Nature.QUOTA_EXCEEDED,
    403: Nature.AUTHENTICATION,
    404: Nature.NOT_FOUND,
    408: Nature.TIMEOUT,
    409: Nature.CONFLICT,
    410: Nature.NOT_FOUND,
    413: Nature.CONTEXT_OVERFLOW,
    425: Nature.OVERLOADED,
    429: Nature.RATE_LIMITED,
    503: Nature.OVERLOADED,
    504: Nature.TIMEOUT,
    529: Nature.OVERLOADED,
}
"""Statuses with a meaning of their own; any other 4xx is `rejected`, any other 5xx `unavailable`."""

NATURE_BY_CODE: dict[str, Nature] = {
    # what providers say inside an error body
    "insufficient_quota": Nature.QUOTA_EXCEEDED,
    "billing_hard_limit_reached": Nature.QUOTA_EXCEEDED,
    "billing_error": Nature.QUOTA_EXCEEDED,
    "context_length_exceeded": Nature.CONTEXT_OVERFLOW,
    "exceed_context_size_error": Nature.CONTEXT_OVERFLOW,
    "model_not_found": Nature.NOT_FOUND,
    "not_found_error": Nature.NOT_FOUND,
    "invalid_model": Nature.NOT_FOUND,
    "invalid_api_key": Nature.AUTHENTICATION,
    "authentication_error": Nature.AUTHENTICATION,
    "permission_error": Nature.AUTHENTICATION,
    "rate_limit_exceeded": Nature.RATE_LIMITED,
    "rate_limit_error": Nature.RATE_LIMITED,
    "overloaded_error": Nature.OVERLOADED,
    "service_unavailable": Nature.OVERLOADED,
    "server_overloaded": Nature.OVERLOADED,
    "content_filter": Nature.FILTERED,
    "content_policy_violation": Nature.FILTERED,
    # JSON-RPC, as MCP uses it
    "-32000": Nature.CUT,
    "-32001": Nature.TIMEOUT,
    "-32600": Nature.REJECTED,
    "-32601": Nature.NOT_FOUND,
    "-32602": Nature.REJECTED,
    "-32603": Nature.UNAVAILABLE,
    "-32700": Nature.MALFORMED,
    # SQLite's names
    "SQLITE_BUSY": Nature.OVERLOADED,
    "SQLITE_LOCKED": Nature.OVERLOADED,
    "SQLITE_CORRUPT": Nature.CORRUPTED,
    "SQLITE_NOTADB": Nature.CORRUPTED,
    "SQLITE_FULL": Nature.UNAVAILABLE,
    "SQLITE_IOERR": Nature.UNAVAILABLE,
    "SQLITE_READONLY": Nature.UNAVAILABLE,
    "SQLITE_CANTOPEN": Nature.UNAVAILABLE,
    # classes of SQLSTATE
    "sqlstate 08": Nature.UNAVAILABLE,
    "sqlstate 23": Nature.CONFLICT,
    "sqlstate 25": Nature.UNAVAILABLE,  # a standby that is read-only
    "sqlstate 28": Nature.AUTHENTICATION,
    "sqlstate 40": Nature.OVERLOADED,  # a serialisation failure: the same again may work
    "sqlstate 53": Nature.OVERLOADED,
    "sqlstate 57": Nature.UNAVAILABLE,
    "sqlstate XX": Nature.CORRUPTED,
}

NATURE_BY_ERRNO_NAME: dict[str, Nature] = {
    "EMFILE": Nature.EXHAUSTED,
    "ENFILE": Nature.EXHAUSTED,
    "ENOMEM": Nature.EXHAUSTED,
    "ENOBUFS": Nature.EXHAUSTED,
    "ENOSPC": Nature.UNAVAILABLE,
    "EDQUOT": Nature.UNAVAILABLE,
    "EIO": Nature.UNAVAILABLE,
    "EROFS": Nature.UNAVAILABLE,
    "ENETUNREACH": Nature.UNAVAILABLE,
    "EHOSTUNREACH": Nature.UNAVAILABLE,
    "EHOSTDOWN": Nature.UNAVAILABLE,
    "ENETDOWN": Nature.UNAVAILABLE,
    "ECONNREFUSED": Nature.UNAVAILABLE,
    "ECONNRESET": Nature.CUT,
    "EPIPE": Nature.CUT,
    "ETIMEDOUT": Nature.TIMEOUT,
}
"""What an `OSError` without a class of its own says; any other errno says nothing."""

FAMILY_BY_PACKAGE: dict[str, str] = {
    "openai": "model",
    "anthropic": "model",
    "pydantic_ai": "model",
    "mcp": "agent",
    "sqlalchemy": "session",
    "psycopg": "session",
    "sqlite3": "session",
    "livekit": "voice",
}
"""Who was called, where the exception's library alone tells it."""

CODES_OF = {"openai", "anthropic", "mcp"}
"""Libraries whose exceptions carry a code or type of the error; elsewhere the words mean other things."""
