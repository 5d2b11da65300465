"""Rules whose caret points at environment.yml, a deployment's inline environment, the conda file, or a Dockerfile."""

from . import (
    base_images,
    binaries,
    conda,
    definition,
    dockerfile,
    end_of_life,
    images,
    mlflow,
    packages,
    python,
    requirements,
    server,
    trained,
)

__all__ = [
    "base_images",
    "binaries",
    "conda",
    "definition",
    "dockerfile",
    "end_of_life",
    "images",
    "mlflow",
    "packages",
    "python",
    "requirements",
    "server",
    "trained",
]
