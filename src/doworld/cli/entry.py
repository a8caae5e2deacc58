"""The entry: every mistake becomes one line with the fix, every warning a note."""

import sys
import warnings
from collections.abc import Sequence

from doworld._core.errors import DoworldError, DoworldWarning

__all__ = ["BAD_INPUT", "FAILED_CHECK", "INTERRUPTED", "UNEXPECTED", "Stopped", "run"]

FAILED_CHECK, BAD_INPUT, UNEXPECTED, INTERRUPTED = 1, 2, 70, 130
"""Exit codes: a check failed, bad input or usage, a defect of ours, stopped by Ctrl-C."""


class Stopped(Exception):  # noqa: N818
    """Ctrl-C in a command that can say what was kept."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; prints mistakes to standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    with warnings.catch_warnings():
        warnings.simplefilter("always", DoworldWarning)
        shown = warnings.showwarning

        def show(message, category, *where) -> None:
            if issubclass(category, DoworldWarning):
                say(f"note: {_one_line(str(message))}")
            elif debug:
                shown(message, category, *where)

        warnings.showwarning = show
        return _run([w for w in words if w != "--debug"], debug)


def _run(words: list[str], debug: bool) -> int:
    try:
        code = _invoke(words)
        if code == INTERRUPTED:
            say("stopped.")
        return code
    except (KeyboardInterrupt, Stopped) as stop:
        say(str(stop) or "stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if debug:
            raise
        say(f"error: {explain(error)}")
        return BAD_INPUT if _is_input(error) else UNEXPECTED


def _invoke(words: list[str]) -> int:
    import typer

    from doworld.cli.app import app

    command = typer.main.get_command(app)
    try:
        code = command.main(args=words, prog_name="doworld", standalone_mode=False)
    except Exception as error:
        if _is_abort(error):
            raise KeyboardInterrupt from None
        if not _is_usage(error):
            raise
        show = getattr(error, "format_message", lambda: str(error))
        context = getattr(error, "ctx", None)
        say(f"error: {_one_line(show())}")
        if context is not None:
            say(f"See: {context.command_path} --help")
        return BAD_INPUT
    return code if isinstance(code, int) else 0


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _is_usage(error: BaseException) -> bool:
    return "ClickException" in _names(error)


def _is_abort(error: BaseException) -> bool:
    return "Abort" in _names(error)


def _is_input(error: BaseException) -> bool:
    return isinstance(error, DoworldError | OSError) or "ValidationError" in _names(error)


def say(text: str) -> None:
    """Prints a line to standard error."""
    print(text, file=sys.stderr, flush=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def explain(error: Exception) -> str:
    """One line on what happened and what to do."""
    if isinstance(error, DoworldError):
        return _one_line(str(error))
    if "ValidationError" in _names(error):
        return _validation(error)
    if isinstance(error, FileNotFoundError):
        return f"there is no file {error.filename}. Check the path."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror.lower()}."
    return (
        f"{type(error).__name__}: {_one_line(str(error))} (a defect of doworld; "
        "please report it with the output of the same command and --debug)"
    )


def _validation(error: Exception) -> str:
    parts = []
    for item in error.errors():  # type: ignore[attr-defined]
        where = ".".join(str(p) for p in item["loc"])
        parts.append(f"{where}: {item['msg']}" if where else str(item["msg"]))
    return _one_line("; ".join(parts[:3])) + ". Correct the value and ask again."
