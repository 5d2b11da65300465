"""The one exception that is the user's to mend."""


class Misuse(Exception):
    """A command cannot be carried out as given; `str()` says why and what to do instead. Exit status 2."""
