"""The error that a user can fix."""


class UserError(ValueError):
    """Something in the data, the config or the command that its user can fix.

    The message says what was expected, what came and what to do, with the path or the value. Commands print the message
    alone, without a traceback, and exit with status 2.
    """
