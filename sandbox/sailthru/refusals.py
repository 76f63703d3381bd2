"""Every way in which the simulated Sailthru says no, and the public fact behind each.

"Error codes" is the page of that name (docs.sailthru.com/api/errors), "digest" the repository
api-evangelist/sailthru, "recording" the live traffic of October 2021 in grouparoo/grouparoo,
plugins/@grouparoo/sailthru/__tests__/fixtures/export/export-record.js, "mock" the vendor's own in
sailthru/sailthru-net-client, Sailthru.Tests/Mock. Codes come from "Error codes"; the evidence is
that of code and HTTP status together.
"""

from sandbox.server import Evidence, Refusal

DOCUMENTED, OBSERVED = Evidence.DOCUMENTED, Evidence.OBSERVED
REPORTED, INFERRED = Evidence.REPORTED, Evidence.INFERRED

# The request as such.
UNKNOWN_ENDPOINT = Refusal(
    "unknown_endpoint", 404, 99, OBSERVED, "mock: an unknown path is a 404 with error 99"
)
WRONG_METHOD = Refusal(
    "wrong_method",
    405,
    1,
    INFERRED,
    "Error codes: 1 is a method the call does not support; HTTP Response Codes: 405",
)
MISSING_PARAMETER = Refusal(
    "missing_parameter", 400, 2, REPORTED, "digest, errors: 2 with 400, a missing api_key too"
)
UNEXPECTED_PARAMETER = Refusal(
    "unexpected_parameter",
    400,
    99,
    INFERRED,
    "API Technical Details recommends api_key, format, json, sig; the sandbox takes no other",
)
WRONG_FORMAT = Refusal(
    "wrong_format", 406, 99, REPORTED, "digest, conventions: wrong format is 406"
)
WRONG_KEY = Refusal("wrong_key", 401, 3, REPORTED, "digest, errors: 3 with 401, invalid API key")
WRONG_SIGNATURE = Refusal(
    "wrong_signature", 401, 5, REPORTED, "digest, errors: 5 with 401, signature does not match"
)
INVALID_UTF8 = Refusal(
    "invalid_utf8", 400, 6, INFERRED, "Error codes: 6 is invalid UTF-8; its HTTP status is unknown"
)
INVALID_ARGUMENT = Refusal(
    "invalid_argument", 400, 99, OBSERVED, "mock: a bad argument is a 400 with error 99"
)
TOO_MANY_REQUESTS = Refusal(
    "too_many_requests",
    429,
    43,
    REPORTED,
    "digest, rate-limits: 43 with 429, too many requests of this method this minute",
)

# Users.
INVALID_EMAIL = Refusal(
    "invalid_email", 400, 11, INFERRED, "Error codes: 11; its HTTP status is unknown"
)
USER_NOT_FOUND = Refusal(
    "user_not_found", 400, 99, OBSERVED, "recording: GET user of an unknown e-mail"
)
DELETED_USER_NOT_FOUND = Refusal(
    "deleted_user_not_found", 404, 99, OBSERVED, "recording: DELETE user of an unknown e-mail"
)
CANNOT_CREATE = Refusal(
    "cannot_create",
    400,
    99,
    INFERRED,
    "sid and cookie are the service's own, so a POST with an unknown one cannot make a profile",
)
KEY_NOT_ENABLED = Refusal(
    "key_not_enabled",
    400,
    99,
    INFERRED,
    'documented in "user": extid, sms, fb, twitter must be enabled; the answer is unknown',
)
KEYS_CONFLICT = Refusal(
    "keys_conflict",
    409,
    99,
    INFERRED,
    "HTTP Response Codes: 409 is a conflict with a rule; reported value error of keysconflict in "
    "IngeniumSE/SailthruSDK KeyConflict.cs",
)
VAR_NAME_TOO_LONG = Refusal(
    "var_name_too_long", 400, 99, REPORTED, "digest, conventions: over 32 characters is error 99"
)
VAR_NAME_WITHOUT_START = Refusal(
    "var_name_without_start",
    400,
    99,
    INFERRED,
    'documented in "Set Custom Fields (Variables) on Users": no leading digit; answer unknown',
)

RESERVED_VAR = Refusal(
    "reserved_var",
    400,
    99,
    INFERRED,
    'documented in "Set Custom Fields (Variables) on Users": may not be a reserved word; answer '
    "unknown",
)

# Events and lists.
RESERVED_EVENT = Refusal(
    "reserved_event", 400, 99, DOCUMENTED, '"event": reserved names are refused with 400'
)
UNKNOWN_LIST = Refusal("unknown_list", 404, 15, OBSERVED, "recording: GET list of an unknown name")
LIST_NAME = Refusal(
    "list_name",
    400,
    99,
    INFERRED,
    "grouparoo/grouparoo exportRecord.ts takes the $ out of list names; the rule is unknown",
)

# Jobs.
JOB_NOT_SIMULATED = Refusal(
    "job_not_simulated", 400, 99, INFERRED, '"job": there are others; the sandbox knows update only'
)
UNKNOWN_JOB = Refusal(
    "unknown_job", 404, 99, INFERRED, "HTTP Response Codes: 404 is no such resource"
)
JOB_TOO_LARGE = Refusal(
    "job_too_large",
    413,
    99,
    INFERRED,
    "no limit is published; Tealium's connector closes a file at 10,000 rows or 10 MB",
)
JOB_LINE_KEYS = Refusal(
    "job_line_keys", 400, 99, INFERRED, "no line of an update job has been seen to set keys"
)

# Purchases.
PURCHASE_ITEM = Refusal(
    "purchase_item",
    400,
    2,
    INFERRED,
    '"purchase": an item must have qty, title, price, id and url; the answer is unknown',
)
PURCHASE_THERE = Refusal(
    "purchase_there",
    409,
    99,
    INFERRED,
    "HTTP Response Codes: 409 is a conflict with a rule; whether an extid may repeat is unknown",
)
UNKNOWN_PURCHASE = Refusal(
    "unknown_purchase", 404, 99, INFERRED, "HTTP Response Codes: 404 is no such resource"
)
INVALID_TIME = Refusal(
    "invalid_time", 400, 18, INFERRED, "Error codes: 18; its HTTP status is unknown"
)
