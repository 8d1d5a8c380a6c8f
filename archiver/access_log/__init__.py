"""The access log: every question, denial, reveal and act of an operator, durable before the answer.

Responsible for one chain of entries per node (`entry`, `chain`), for telling its head to a file
elsewhere (`heads`), for sealing it into the store (`parts`) and for finding what was cut,
edited or restored (`verify`). Relies on the state database for durability. Refuses to let an
answer go that it could not record.
"""

from archiver.access_log.chain import AccessLog, AccessRecord, Guard
from archiver.access_log.entry import Asked, Entry, Outcome

__all__ = ["AccessLog", "AccessRecord", "Asked", "Entry", "Guard", "Outcome"]
