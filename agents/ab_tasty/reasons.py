"""The reasons of AB Tasty's sink alone: to leave a record out, or not to be able to deliver it."""

from streams.reasons import Reason

DROPS = (
    Reason("leave_skipped", "`ABTASTY_DELETE_STRATEGY` is `skip`"),
    Reason("no_visitor_id", "no visitor; `ABTASTY_NO_VISITOR_ID` is `drop`"),
)
DEAD_LETTERS = (
    Reason("refused_rows", "rows that AB Tasty does not take"),
    Reason("visitor_id", "no id that AB Tasty takes; `ABTASTY_IDENTITY`"),
    Reason("no_visitor_id", "no visitor; `ABTASTY_NO_VISITOR_ID` says so"),
    Reason("audience_id", "mode `firehose`: an audience id that is no number"),
    Reason("audience_unknown", "an audience whose name nobody has told"),
)
