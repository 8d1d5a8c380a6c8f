"""The service: the archive over HTTP, for operators in a browser and for the shop's own site.

Responsible for one way in. `admission` has the table of all routes and whom they admit, and
nobody passes by it; `library` keeps open what questions need; `problems` says what went wrong
without saying more; `routes/` turns requests into questions of `archiver.lookup` and the desk.
What may be asked and seen is decided where the command line decides it, in `archiver.policy`;
what was asked is on record before it is answered.

Nothing here is imported before `archiver serve` runs.
"""
