"""mParticle as the sandbox plays it: seeded traffic, and the ledger of what it must lead to."""

from sandbox.mparticle.environment import as_development
from sandbox.mparticle.firehose import LEAK_MARKER
from sandbox.mparticle.handwritten import handwritten
from sandbox.mparticle.kinds import Kind, Shares
from sandbox.mparticle.ledger import Counts, Ledger, Profile
from sandbox.mparticle.post import Posted, post
from sandbox.mparticle.traffic import Traffic, duration_ms, generate
from sandbox.mparticle.wire import NEVER_SENT, VALUELESS, Message

__all__ = [
    "LEAK_MARKER",
    "NEVER_SENT",
    "VALUELESS",
    "Counts",
    "Kind",
    "Ledger",
    "Message",
    "Posted",
    "Profile",
    "Shares",
    "Traffic",
    "as_development",
    "duration_ms",
    "generate",
    "handwritten",
    "post",
]
