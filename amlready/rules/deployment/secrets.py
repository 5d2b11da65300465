"""Secrets in environment variables: written out, or referred to in a form that Azure does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostic import Level, Problem
from ...specs import Deployment
from .. import rule
from .names import is_template
from .variables import variables

_CONNECTION = r"azureml://connections/[^/{}\s]+(?:/credentials/[^/{}\s]+|/metadata/[^/{}\s]+|/target)?"
_VAULT = r"keyvault:https://[A-Za-z0-9-]+\.vault\.[a-z.]+/secrets/[^/{}\s]+/[^/{}\s]+"
_REFERENCE = rf"\$\{{\{{(?:{_CONNECTION}|{_VAULT})\}}\}}"
_MEANT = (
    r"azureml://connections/|keyvault:https:|\.vault\.azure\.net/secrets/\S{1,200}[}\)]|\{\{\s*(?:azureml|keyvault):"
)


@rule(Level.ERROR)
def malformed_secret_reference(deployment: Deployment) -> Iterator[Problem]:
    """A reference to a secret is not in one of the forms that Azure replaces.

    The whole value is `${{azureml://connections/NAME}}`, the same with `/credentials/KEY`, `/metadata/KEY` or
    `/target`, or `${{keyvault:https://VAULT.vault.azure.net/secrets/NAME/VERSION}}`, where the version is part of it
    ("Access secrets from online deployment using secret injection"). Anything else fails with
    `SecretsInjectionError`, or reaches the container as it is.

    Bad::

        # deployment.yml
        environment_variables:
          OPENAI_KEY: ${{keyvault:https://my-vault.vault.azure.net/secrets/openai-key}}

    Good::

        # deployment.yml
        environment_variables:
          OPENAI_KEY: ${{keyvault:https://my-vault.vault.azure.net/secrets/openai-key/0123456789abcdef}}
    """
    for entry in variables(deployment):
        text = entry.value.value
        if isinstance(text, str) and _is_malformed(text):
            yield Problem(entry.value.span, f"Azure does not know this reference: {_advice(text)}")


def _is_malformed(text: str) -> bool:
    meant = re.search(_MEANT, text) and not re.fullmatch(_REFERENCE, text)
    return bool(meant) and not is_template(text)


def _advice(text: str) -> str:
    """What is wrong with a reference, and how it is written."""
    inner = re.sub(r"^\$?\{*|\}*$", "", text.strip()).strip()
    if re.fullmatch(_CONNECTION, inner) or re.fullmatch(_VAULT, inner):
        return f"write the whole value as ${{{{{inner}}}}}"
    if "vault." in inner and re.search(r"/secrets/[^/]+/?$", inner):
        return "the secret's version is missing; it ends in /secrets/NAME/VERSION"
    if "vault." in inner:
        return "write ${{keyvault:https://VAULT.vault.azure.net/secrets/NAME/VERSION}}"
    return "write ${{azureml://connections/NAME/credentials/KEY}}"


_SHAPES = (
    ("a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("an account key", r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}"),
    ("a shared access signature", r"(?:^|[?&])sig=[A-Za-z0-9%+/]{40,}"),
    ("a client secret of Microsoft Entra", r"^[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}$"),
    ("an access key of AWS", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a token of GitHub", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,})"),
    ("a token of Hugging Face", r"\bhf_[A-Za-z]{30,}\b"),
    ("an API key", r"\bsk-(?=[\w-]{0,99}\d)[A-Za-z0-9_-]{32,}"),
    ("a token of Slack", r"\bxox[abprs]-[0-9]+-[A-Za-z0-9-]{16,}"),
    ("an API key of Google", r"\bAIza[0-9A-Za-z_-]{35}\b"),
    ("a token of Databricks", r"\bdapi[0-9a-f]{32}\b"),
    ("a JSON web token", r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    ("an address with a password", r"^[a-z][a-z0-9+]*://[^/\s:@]+:[^/\s:@]{3,}@"),
)

_SHORTEST = 12
"""No secret of those shapes is shorter, and most values are: they need not be searched."""

_PASSWORDS = frozenset(("password", "passwd", "passphrase", "pwd"))
_KEYS = frozenset(("secret", "token", "key", "apikey"))


@rule(Level.WARNING)
def literal_secret(deployment: Deployment) -> Iterator[Problem]:
    """A secret is written out in an environment variable.

    Whoever can read the repository, or the deployment in Azure, can read it. A connection of the workspace or a key
    vault keeps it, and a reference puts it into the variable when the container starts ("What is secret injection in
    online endpoints"). Reported are values of a form that only keys and tokens have, random ones under a name that
    ends in KEY, TOKEN or SECRET, and what is written under PASSWORD; names such as MAX_NEW_TOKENS are not.

    Bad::

        # deployment.yml
        environment_variables:
          DATABASE_PASSWORD: Tr0ub4dor&3

    Good::

        # deployment.yml
        environment_variables:
          DATABASE_PASSWORD: ${{azureml://connections/database/credentials/password}}
    """
    for entry in variables(deployment):
        text = entry.value.value
        if not isinstance(text, str) or is_template(text):
            continue
        what = _secret(str(entry.key.value), text)
        if what:
            message = f"this is {what}, in clear text; refer to it: ${{{{azureml://connections/NAME/credentials/KEY}}}}"
            yield Problem(entry.key.span, message)


def _secret(name: str, text: str) -> str | None:
    """What kind of secret a variable holds; None when that is not certain enough."""
    shape = next((what for what, shape in _SHAPES if len(text) >= _SHORTEST and re.search(shape, text)), None)
    if shape:
        return shape
    last = re.split(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])", name)[-1].lower()
    if last in _PASSWORDS and _is_password(text):
        return "a password"
    return f"a {last}" if last in _KEYS and _is_random(text) else None


def _is_password(text: str) -> bool:
    """Neither empty, nor a path, address, placeholder or the name of something that holds the password."""
    named = re.search(r"password|passwd|secret|vault|\bchange|example|dummy", text, re.IGNORECASE)
    return len(text) >= 6 and not named and not re.search(r"[\s/\\]|^\w+:", text) and not text.isalpha()


def _is_random(text: str) -> bool:
    """32 or more hexadecimal digits, or 20 or more characters of upper and lower case and digits, in one word."""
    if re.fullmatch(r"[0-9a-fA-F]{32,}", text):
        return len(set(text.lower())) > 8
    mixed = all(re.search(sort, text) for sort in ("[a-z]", "[A-Z]", r"\d.*\d"))
    return mixed and re.fullmatch(r"[A-Za-z0-9+/_~.=-]{20,}", text) is not None and not text.startswith(("/", "."))
