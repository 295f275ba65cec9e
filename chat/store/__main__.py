"""`python -m chat.store setup | check | copy FROM TO`: the document store, for an operator."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from chat.errors import ChatError, StoreUnavailable
from chat.store.check import check_store
from chat.store.copy_command import ENVIRONMENT, copy_all
from config.couchbase_url import CouchbaseAddress
from config.env import SettingError
from config.settings import StoreSettings, load_settings

INTERRUPTED = 130  # as shells count: 128 and SIGINT
READ = ("STORE_URL", "STORE_DURABILITY", "DATA_DIR")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1 when something was found wanting, 2 when it could not be done, 130 after Ctrl-C."""
    asked = _parser().parse_args(arguments)
    try:
        settings = store_settings(os.environ)
        match asked.verb:
            case "setup":
                return setup(settings)
            case "check":
                return check(settings, is_quiet=asked.quiet)
            case _:
                return copy_all(asked.source, asked.target, settings.durability, may_overwrite=asked.overwrite)
    except KeyboardInterrupt:
        print(f"{asked.verb} interrupted; start it again as it was, it goes on from there", file=sys.stderr)
        return INTERRUPTED
    except SettingError as fault:
        print(fault, file=sys.stderr)
    except ChatError as fault:
        told = fault.fault if isinstance(fault, StoreUnavailable) else ""
        print(f"{asked.verb} stopped: {told or fault}", file=sys.stderr)
    return 2


def store_settings(environ: Mapping[str, str]) -> StoreSettings:
    """Read the store's settings alone: these commands are used before the others are set."""
    own = {name: environ[name] for name in READ if name in environ}
    return load_settings({**own, "AUTH_MODE": "dev"}).store


def setup(settings: StoreSettings) -> int:
    """Make what the store needs, wait until it can be used, and check it."""
    place = settings.place
    if isinstance(place, CouchbaseAddress) and place.scope is not None:
        from chat.store.couchbase.setup import make_collections  # the SDK: only where it is used

        for line in make_collections(place, place.scope):
            print(line, flush=True)
    else:
        print("nothing to make: STORE_URL names no scope")
    return check(settings)


def check(settings: StoreSettings, *, is_quiet: bool = False) -> int:
    """Say what is in order, unless told to be quiet, and what is not."""
    code = 0
    for finding in check_store(settings):
        if finding.is_fault:
            code = 1
            print(finding.text, file=sys.stderr)
        elif not is_quiet:
            print(finding.text)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chat.store", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("setup", help="make the scope and collections of STORE_URL, and wait until they can be used")
    checking = verbs.add_parser("check", help="see whether STORE_URL and STORE_DURABILITY can be kept")
    checking.add_argument("--quiet", action="store_true", help="only what is wrong")
    copying = verbs.add_parser(
        "copy", help="copy every document; a run that was stopped is started again as it was"
    )
    address = f"an address as STORE_URL takes it, or {ENVIRONMENT}NAME for the value of a variable"
    copying.add_argument("source", metavar="FROM", help=address)
    copying.add_argument("target", metavar="TO", help=address)
    copying.add_argument("--overwrite", action="store_true", help="replace documents that are another in TO")
    return parser


if __name__ == "__main__":
    sys.exit(main())
