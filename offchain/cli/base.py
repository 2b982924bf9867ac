"""The group that every command joins: its help, and what becomes of a refusal."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from offchain.cli.output import DIFFERS, REFUSED, json_text, say


class Refusing(TyperGroup):
    """Turns a refusal of the engine into its message on stderr and an exit code; with --json also into a document."""

    def invoke(self, ctx: Any) -> Any:
        from offchain.errors import BallastError, DecisionMismatch

        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except BallastError as error:
            if as_json:
                typer.echo(json_text({"error": {"kind": type(error).__name__, "message": str(error)}}))
            say(f"error: {error}")
            raise typer.Exit(DIFFERS if isinstance(error, DecisionMismatch) else REFUSED) from None


app = typer.Typer(
    name="ballast",
    cls=Refusing,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help=(
        "Crypto indexes from one file: checked, decided, explained, backtested.\n\n"
        "Answers go to stdout, as text or with --json as one document; messages go to stderr.\n\n"
        "Exit codes: 0 done, 1 refused with the reason, 2 wrong command line, 3 what was compared differs, or a test is not passed.\n\n"
        "Start with: ballast indexes; ballast decide LC10 latest; ballast explain LC10 latest"
    ),
)
