"""The console: the archive in a browser, drawn on this side of the wire.

Responsible for pages and for nothing that they show: what may be asked and seen is decided and
recorded below. Pure parts make values of what is shown (`typed`, `listing`, `dossier`, `heat`,
`journal`), `drawing` makes pages of them, and the rest answers requests. Nothing on a page comes
from anywhere else, nothing is inline, and all of it works without a script.
"""
