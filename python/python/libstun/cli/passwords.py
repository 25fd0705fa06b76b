"""Passwords from elsewhere than the command line, where every user of the host and the shell's history see them."""

from __future__ import annotations

import argparse
import getpass
import os
import warnings
from pathlib import Path

from .screen import CommandError, UsageError

__all__ = ["VARIABLE", "add_password", "password_of", "users_of_file"]

VARIABLE = "LIBSTUN_PASSWORD"
"""The variable of the environment that has the password where no option gives one."""

MAX_USERS_FILE = 16 << 20


def add_password(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds --password."""
    parser.add_argument("--password", metavar="SECRET", help=f'{text}; "-" asks for it (default: ${VARIABLE})')


def password_of(args: argparse.Namespace) -> str | None:
    """The password of the option, of whoever sits at the terminal, or of the environment. Asks at each call."""
    if args.password == "-":
        return _ask()
    given: str | None = args.password
    return given if given is not None else os.environ.get(VARIABLE) or None


def users_of_file(name: str) -> dict[str, str]:
    """The users of a file with a NAME:PASSWORD on each line. Empty lines and those that begin with # do not count."""
    users: dict[str, str] = {}
    for number, line in enumerate(_text_of(name).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, password = line.partition(":")
        if not (user and password):
            raise UsageError(f"{name}: line {number} is not NAME:PASSWORD")  # and not shown: it may be a secret
        users[user] = password
    return users


def _text_of(name: str) -> str:
    """A small file's text, with or without the mark that some editors put before UTF-8."""
    with Path(name).open("rb") as file:
        content = file.read(MAX_USERS_FILE + 1)
    if len(content) > MAX_USERS_FILE:
        raise UsageError(f"{name}: more than {MAX_USERS_FILE} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name}: not UTF-8") from None


def _ask() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # else it would be shown as it is typed
        try:
            return getpass.getpass("Password: ")
        except (getpass.GetPassWarning, EOFError):
            raise CommandError(f"--password - needs a terminal: without one use {VARIABLE}") from None
