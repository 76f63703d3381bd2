"""Every way in which the simulated AB Tasty says no, and the public fact behind each.

"UDC" is the page "Universal data connector API" (docs.abtasty.com), "ecosystem" the public document
"Architectural Integration and Technical Documentation of the AB Tasty Public API Ecosystem", and
"firehose" what mParticle asks of a partner: mParticle/docs,
src/pages/developers/partners/firehose/index.md and outbound-integrations/index.md.
"""

from sandbox.server import Evidence, Refusal

DOCUMENTED, REPORTED, INFERRED = Evidence.DOCUMENTED, Evidence.REPORTED, Evidence.INFERRED

UNKNOWN_ENDPOINT = Refusal(
    "unknown_endpoint", 404, "not_found", INFERRED, "HTTP: there is nothing at this path"
)
WRONG_METHOD = Refusal(
    "wrong_method", 405, "method_not_allowed", INFERRED, "HTTP: the path has another method"
)

# Tokens.
INVALID_TOKEN_REQUEST = Refusal(
    "invalid_token_request",
    400,
    "invalid_request",
    INFERRED,
    '"Public API": JSON with client_id, client_secret, grant_type; OAuth 2.0 (RFC 6749, 5.2): 400',
)
INVALID_CLIENT = Refusal(
    "invalid_client", 401, "invalid_client", INFERRED, "OAuth 2.0 (RFC 6749, 5.2)"
)
INVALID_TOKEN = Refusal(
    "invalid_token",
    401,
    "unauthorized",
    INFERRED,
    "UDC: a valid bearer token is required; OAuth 2.0 bearer tokens (RFC 6750, 3.1): 401",
)

# Files.
WRONG_ACCOUNT = Refusal(
    "wrong_account", 404, "not_found", INFERRED, "UDC: the path names the account; answer unknown"
)
WRONG_PARTNER = Refusal(
    "wrong_partner",
    403,
    "forbidden",
    INFERRED,
    "composable-docs.zeotap.com, AB Tasty: the partner name is assigned; answer unknown",
)
WRONG_MEDIA_TYPE = Refusal(
    "wrong_media_type",
    415,
    "unsupported_media_type",
    REPORTED,
    "ecosystem: 415; documented in UDC: text/csv and application/json are taken",
)
TOO_LARGE = Refusal(
    "too_large", 413, "payload_too_large", REPORTED, "ecosystem: 413 over 20 MB or 100,000 rows"
)
MALFORMED_FILE = Refusal(
    "malformed_file",
    400,
    "bad_request",
    INFERRED,
    "UDC documents the fields; header line, comma and JSON array are inferred, so is the answer",
)
BAD_ROW = Refusal(
    "bad_row",
    400,
    "bad_request",
    INFERRED,
    "UDC documents the rules of visitor_id and value; what a row that breaks them does is unknown",
)

# Messages as mParticle sends them.
WRONG_API_KEY = Refusal(
    "wrong_api_key",
    401,
    "unauthorized",
    INFERRED,
    "firehose: account.account_settings holds the customer's key; the answer is the partner's own",
)
MALFORMED_MESSAGE = Refusal(
    "malformed_message",
    400,
    "bad_request",
    INFERRED,
    "mParticle/mparticle-firehose-java-sdk, examples/json/schema; the answer is the partner's own",
)
OTHER_ACCOUNT = Refusal(
    "other_account",
    400,
    "bad_request",
    INFERRED,
    "mParticle/mparticle-firehose-java-sdk: account_id is required, so audiences are an account's; "
    "what a partner does with members of another account's audience is unknown",
)
