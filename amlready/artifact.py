"""What a local model path holds, and where that is found in the container.

Azure keeps the name of what is registered: a file `m.pkl` becomes `$AZUREML_MODEL_DIR/m.pkl`, a folder `model/` becomes
`$AZUREML_MODEL_DIR/model/...`. Nothing is read until a rule asks, and of a file no more than its beginning.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .frozen import field, frozen
from .uploads import Upload, upload

if TYPE_CHECKING:
    from .pickles import Pickle

LFS = b"version https://git-lfs.github.com/spec/v1"
"""How a Git LFS pointer begins; the file itself is elsewhere until `git lfs pull`."""

PICKLES = (".pkl", ".pickle", ".joblib", ".sav", ".pk", ".p", ".jbl", ".dill", ".cloudpickle")
"""Extensions of files that are read as pickles."""


@frozen(eq=False)
class Artifact:
    """A model's file or folder on this machine."""

    root: Path
    is_folder: bool
    _pickles: dict[str, Pickle | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called under AZUREML_MODEL_DIR; a link gives the name of what it leads to."""
        return self.root.resolve().name

    @cached_property
    def uploaded(self) -> Upload:
        return upload(self.root) if self.is_folder else Upload((self.root.name,))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The files that will be there, relative to AZUREML_MODEL_DIR."""
        return tuple(map(self.placed, self.uploaded.files)) if self.is_folder else (self.name,)

    @property
    def whole(self) -> bool:
        """Whether all files are known."""
        return self.uploaded.whole

    def placed(self, name: str) -> str:
        """A file of the folder as seen from AZUREML_MODEL_DIR."""
        return f"{self.name}/{name}"

    def path(self, file: str) -> Path:
        """Where one of `files` lies on this machine."""
        return self.root / file.partition("/")[2] if self.is_folder else self.root

    def holds(self, path: str) -> bool:
        """Whether a path relative to AZUREML_MODEL_DIR is a file or folder there."""
        wanted = path.strip("/")
        return wanted in ("", ".") or any(each == wanted or each.startswith(wanted + "/") for each in self.files)

    def named(self, name: str) -> list[str]:
        """The files of that name, in whatever folder."""
        return [each for each in self.files if each.rpartition("/")[2] == name]

    def size(self, file: str) -> int:
        """Bytes of one of `files`; 0 when it cannot be told."""
        try:
            return self.path(file).stat().st_size
        except OSError:
            return 0

    def is_pointer(self, file: str) -> bool:
        """Whether there is only a Git LFS pointer in the file's place."""
        if not 0 < self.size(file) < 1024:
            return False
        try:
            with self.path(file).open("rb") as stream:
                return stream.read(len(LFS)) == LFS
        except OSError:
            return False

    def pickle(self, file: str) -> Pickle | None:
        """The facts of one of `files`, if it is a pickle or a joblib file."""
        from .pickles import read  # only where there is a model with a pickle

        if file not in self._pickles:
            self._pickles[file] = read(self.path(file)) if file.lower().endswith(PICKLES) else None
        return self._pickles[file]
