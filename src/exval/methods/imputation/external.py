"""Any program as an imputation method: exval writes the cells, runs the command, and reads back what it wrote."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path

from exval.errors import InputError
from exval.logs import warn
from exval.methods.base import Card
from exval.methods.imputation.base import Cells, Imputer
from exval.methods.imputation.exchange import INPUTS, OUTPUTS, read_output, write_input
from exval.methods.imputation.values import SPACES


class External(Imputer):
    """Runs a command of the user's: an R package, a script in another environment, any program.

    It has no name of its own in the list of methods: it is made from ``cmd:COMMAND`` wherever a method is named, e.g.
    ``--method "cmd:Rscript saver.R {input} {output}"``. Settings stand in brackets:
    ``"cmd[unit=log1p, values=log1p]:Rscript alra.R {input} {output}"``. A command runs up to the end of the text, so
    that further methods stand before it or in an option of their own.

    Parameters
    ----------
    command
        Words as on a command line, without a shell. ``{input}`` becomes the path of what exval wrote, ``{output}`` of
        the file that the command has to write, ``{seed}`` the seed.
    input
        ``"mtx"``: a folder with matrix.mtx (genes x cells, as 10x writes it), genes.tsv and cells.tsv. ``"csv"``: a
        table, genes in rows, with names. ``"h5ad"``: an AnnData, cells in rows.
    values
        What is written: ``"counts"``, ``"cp10k"`` or ``"log1p"``.
    output
        Extension of the file that is asked for: ``"csv"``, ``"mtx"``, ``"h5ad"`` or ``"npy"``. Genes and cells may
        come in any order where the file names them; without names in the order of the input, in either orientation.
    unit
        Of what comes back: ``"counts"`` (at the cell's own depth), ``"cp10k"`` or ``"log1p"``.
    timeout
        Seconds after which the command is stopped.
    seed
        For ``{seed}``, also in the environment as ``EXVAL_SEED``.

    Attributes
    ----------
    dropped_
        Genes that did not come back; they are zero in the answer.

    Examples
    --------
    >>> method = External.of("cmd[unit=log1p, input=csv]:Rscript /home/me/my.R {input} {output}")
    >>> method.title, method.unit, method.input, method.values
    ('cmd:Rscript my.R', 'log1p', 'csv', 'counts')
    """

    card = Card(
        category="external",
        sees=("expression", "whatever the command looks at"),
        space_in="as asked for",
        space_out="as declared",
        cost="that of the command; its memory is not counted",
        reference="the command's own",
        summary="A program of the user's, run on the cells.",
    )
    stochastic = True
    min_cells = 1

    def __init__(
        self,
        command: str,
        input: str = "mtx",
        values: str = "counts",
        output: str = "csv",
        unit: str = "counts",
        timeout: float = 3600.0,
        seed: int = 0,
    ) -> None:
        self.command = command
        self.input = input
        self.values = values
        self.output = output
        self.unit = unit
        self.timeout = timeout
        self.seed = seed

    @classmethod
    def of(cls, spec: str) -> External:
        """From ``cmd:COMMAND`` or ``cmd[NAME=VALUE, ...]:COMMAND``.

        Raises
        ------
        InputError
            Neither form, or a setting that there is not.
        """
        found = re.fullmatch(r"\s*cmd(?:\[([^\]]*)\])?:(.*)", spec, re.DOTALL)
        if not found or not found[2].strip():
            raise InputError(f"{spec!r} is no command; write cmd:PROGRAM {{input}} {{output}}")
        known = {"input": str, "values": str, "output": str, "unit": str, "timeout": float, "seed": int}
        settings = {}
        for part in re.split(r"[,;]", found[1] or ""):
            if not part.strip():
                continue
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if name not in known or not equals:
                raise InputError(f"cmd[...] takes {', '.join(known)} as NAME=VALUE, not {part.strip()!r}")
            try:
                settings[name] = known[name](value)
            except ValueError:
                raise InputError(f"cmd[{name}=...] has to be a number, not {value!r}") from None
        return cls(found[2].strip(), **settings)

    @property
    def title(self) -> str:
        """``cmd:`` and the words of the command, without placeholders and folders."""
        try:
            words = shlex.split(self.command)
        except ValueError:
            words = self.command.split()
        kept = [word for word in words if not re.search(r"\{\w+\}", word)]
        return "cmd:" + " ".join(Path(word).name or word for word in kept)

    def learn(self, cells: Cells) -> None:
        words = self._words()
        matrix = {"counts": lambda: cells.counts_ng, "cp10k": lambda: cells.cp10k_ng, "log1p": lambda: cells.log_ng}
        values_ng = matrix[self.values]()
        with tempfile.TemporaryDirectory(prefix="exval-") as folder:
            given = write_input(Path(folder) / "input", self.input, values_ng, cells.genes, cells.names)
            (Path(folder) / "output").mkdir()
            asked = Path(folder) / "output" / f"output.{self.output}"
            places = {"{input}": str(given), "{output}": str(asked), "{seed}": str(self.seed)}
            for place, value in places.items():
                words = [word.replace(place, value) for word in words]
            self._run(words, Path(folder) / "stderr")
            self._values_ng, there_g = read_output(asked, cells.genes, cells.names, self.title)
        self.dropped_ = [str(gene) for gene in cells.genes[~there_g]]
        if self.dropped_:
            first = ", ".join(self.dropped_[:3]) + (", ..." if len(self.dropped_) > 3 else "")
            warn(
                [f"{self.title} left out {len(self.dropped_):,} of {len(cells.genes):,} genes ({first}): they are zero"]
            )

    def block(self, columns, sd=False):
        return self._values_ng[:, columns]

    def _words(self) -> list[str]:
        choices = {"input": INPUTS, "values": SPACES, "output": OUTPUTS, "unit": SPACES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{self.title}: {name} is one of {', '.join(known)}, not {getattr(self, name)!r}")
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise InputError(f"the command {self.command!r} cannot be read: {str(error).lower()}") from error
        for place in ("{input}", "{output}"):
            if not any(place in word for word in words):
                raise InputError(
                    f"the command {self.command!r} does not say where {place} goes; write it as an argument"
                )
        return words

    def _run(self, words: list[str], said: Path) -> None:
        with said.open("wb") as errors:
            try:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env={**os.environ, "EXVAL_SEED": str(self.seed)},
                    start_new_session=True,
                )
            except OSError as error:
                raise InputError(f"cannot start {words[0]!r}: {(error.strerror or str(error)).lower()}") from error
            try:
                code = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                raise InputError(f"{self.title} did not end within {self.timeout:,g} seconds and was stopped") from None
            finally:
                if process.poll() is None:
                    _stop(process)
        if code:
            lines = [line.strip() for line in said.read_text(errors="replace").splitlines() if line.strip()]
            how = f"exit {code}" if code > 0 else f"signal {-code}"
            raise InputError(f"{self.title} failed ({how}): {lines[-1][:500] if lines else 'it said nothing'}")


def _stop(process: subprocess.Popen) -> None:
    """End the command and whatever it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(5)
            break
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue


__all__ = ["External"]
