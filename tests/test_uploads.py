"""The files that would be uploaded, compared with azure-ai-ml's own choice."""

from __future__ import annotations

from pathlib import Path

import pytest

from amlready.uploads import MAX_FILES, upload

FILES = [
    *(
        "model.pkl",
        "a.txt",
        "b.TXT",
        "README.md",
        "deep/model.pkl",
        "deep/er/model.pkl",
        "deep/er/notes.txt",
        "logs/1.log",
    ),
    *(
        "data/big.csv",
        "data/keep.csv",
        "odd name.txt",
        "[x].txt",
        "x.txt",
        "tmp",
        "cache/tmp/y",
        "#hash",
        "!bang",
        ".env",
    ),
]


def make(folder: Path, ignore: str | None, name: str = ".gitignore") -> Path:
    for each in FILES:
        path = folder / each
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    if ignore is not None:
        (folder / name).write_text(ignore)
    return folder


def chosen_by_the_sdk(folder: Path) -> set[str]:
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder

    files = get_upload_files_from_folder(folder, ignore_file=get_ignore_file(folder))
    return {Path(local).relative_to(folder).as_posix() for local, _ in files}


PATTERNS = [
    *(
        "",
        "# all\n",
        "*.pkl",
        "/model.pkl",
        "model.pkl",
        "deep/",
        "deep",
        "/deep/er",
        "deep/er/",
        "**/er",
        "deep/**",
        "*",
    ),
    *("*\n!*.md\n", "data/*\n!data/keep.csv\n", "logs/\n!logs/1.log\n", "*.txt", "*.[tT][xX][tT]", "[!a].txt", "?.txt"),
    *(
        "/**/model.pkl",
        "deep/**/model.pkl",
        "tmp",
        "tmp/",
        "\\#hash",
        "\\!bang",
        "\\[x].txt",
        "a.txt  ",
        "cache/*/y",
        "/",
    ),
    *(
        ".env",
        "er/notes.txt",
        "./a.txt",
        "odd name.txt",
        "**",
        "**/",
        "**/**/er",
        "deep/*",
        "!a.txt",
        "*.pkl\r\n*.md\r\n",
    ),
]


@pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("ignore", PATTERNS)
def test_what_is_uploaded_is_what_azure_ai_ml_uploads(tmp_path, ignore):
    folder = make(tmp_path, ignore)

    found = upload(folder)

    assert set(found.files) == chosen_by_the_sdk(folder)
    assert set(found.files) | set(found.excluded) == {*FILES, ".gitignore"}


@pytest.mark.filterwarnings("ignore::marshmallow.warnings.Marshmallow4Warning", "ignore::DeprecationWarning")
def test_an_amlignore_wins_over_a_gitignore(tmp_path):
    folder = make(make(tmp_path, "*.pkl"), "*.md", ".amlignore")

    found = upload(folder)

    assert found.ignore_file == folder / ".amlignore"
    assert set(found.files) == chosen_by_the_sdk(folder)
    assert found.excluded == ("README.md",)


def test_an_ignore_file_below_the_folder_does_not_count(tmp_path):
    folder = make(tmp_path, None)
    (folder / "deep" / ".gitignore").write_text("*")

    assert "deep/model.pkl" in upload(folder).files


def test_a_folder_that_contains_itself_ends(tmp_path):
    folder = make(tmp_path, None)
    (folder / "deep" / "again").symlink_to(folder)

    assert upload(folder).files.count("deep/model.pkl") == 1


def test_only_so_many_files_are_listed(tmp_path):
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}").touch()

    found = upload(tmp_path)

    assert (len(found.files), found.whole) == (MAX_FILES, False)
