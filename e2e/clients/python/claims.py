"""Runs the claims of one script in the order in which they are written.

A claim is a function whose name says what holds. Each that holds prints one
line; the first that does not prints its reason and ends the script with 1.
Keys and base URLs come from the environment only: the scripts are what a user
would write.
"""

import sys
import traceback

_claims = []


def claim(function):
    """Marks a function as a claim of the script."""
    _claims.append(function)
    return function


def run():
    """Checks every claim of the script, or those named on the command line."""
    wanted = sys.argv[1:]
    for function in _claims:
        if wanted and function.__name__ not in wanted:
            continue
        try:
            function()
        except BaseException as error:
            traceback.print_exc()
            print(f"failed {function.__name__}: {type(error).__name__}: {error}", flush=True)
            sys.exit(1)
        print(f"ok {function.__name__}", flush=True)


def equal(actual, expected, what="value"):
    """Asserts equality and says both sides when it does not hold."""
    assert actual == expected, f"{what}: expected {expected!r}, got {actual!r}"


def raised(kind, action):
    """Runs the action and returns the error of that kind which it must raise."""
    try:
        result = action()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got the answer {result!r}")
