"""Operators: who they are, how they show it, what they have agreed to.

Responsible for the register (`register`), logins and sessions (`logins`), second factors
(`codes`), limits on guessing (`throttle`) and approvals (`approvals`). What a role may do is
`archiver.policy`'s; what was done is recorded by the caller in the access log.
"""

from archiver.operators.approvals import Approval, Approvals
from archiver.operators.logins import Logins, Session
from archiver.operators.register import Enrolment, Operator, Register

__all__ = ["Approval", "Approvals", "Enrolment", "Logins", "Operator", "Register", "Session"]
