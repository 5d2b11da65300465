"""Secrets in environment variables: none is missed, none is invented, and none is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_rules_deployment import MANAGED, changed, found, here

from amlready import project, rules

__all__ = ["here"]

SECRETS = {
    "STORAGE": "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=" + "Ab3+" * 21 + "==",
    "SAS_URL": "https://x.blob.core.windows.net/c?sv=2024&sig=" + "aB3%2F" * 8,
    "AWS_ID": "AKIA" + "ABCDEFGHIJ234567",
    "GITHUB": "ghp_" + "a1B2c3D4e5" * 4,
    "OPENAI_API_KEY": "sk-" + "a1B2c3D4e5" * 4,
    "ANYTHING": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0" + ".SflKxwRJSMeKKF2QT4",
    "PEM": "-----BEGIN RSA " + "PRIVATE KEY-----\nMII",
    "DATABASE_URL": "postgresql://scoring:" + "hunter22" + "@db.example.com/churn",
    "AZURE_OPENAI_KEY": "0123456789abcdef" * 2,
    "azureSearchKey": "aB3dE5gH7jK9mN1pQ3sT5vW7",
    "DB_PASSWORD": "s3cret-enough".replace("secret", "x"),
}
NO_SECRETS = {
    "MAX_NEW_TOKENS": "2048",
    "PAD_TOKEN": "<pad>",
    "EOS_TOKEN": "</s>",
    "PARTITION_KEY": "customer_id",
    "PRIMARY_KEY": "CustomerIdAndOrderIdOfTheYear",
    "SECRET_NAME": "churn-database-password",
    "DB_PASSWORD": "churn-database-password",
    "DB_PASSWORD_FILE": "/mnt/secrets/db",
    "PASSWORD": "",
    "KEY_VAULT_URI": "https://churn.vault.azure.net/",
    "SECRET_URI": "https://churn.vault.azure.net/secrets/db/0123456789abcdef0123456789abcdef",
    "API_KEY": "not-needed",
    "CACHE_KEY": "features/2024/v3/customers.parquet",
    "TOKENIZER": "bert-base-uncased",
    "AZURE_CLIENT_ID": "3f2a1b0c-9d8e-4f70-a1b2-c3d4e5f60718",
    "REDIS_URL": "redis://cache:6379/0",
    "MODEL_URL": "https://models.example.com:8443/churn@v3",
    "DIGEST_KEY": "0" * 40,
    "HF_TOKEN": "${{azureml://connections/hf/credentials/token}}",
    "PW": "${{keyvault:https://churn.vault.azure.net/secrets/db/0123456789abcdef}}",
    "TARGET": "${{azureml://connections/search/target}}",
    "VERSION": "${{azureml://connections/search/metadata/ApiVersion}}",
    "ALL": "${{azureml://connections/search}}",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_found_and_not_repeated(name):
    Path("deployment.yml").write_text(changed(MANAGED, f"environment_variables:\n  {name}: {SECRETS[name]!r}\n"))
    (one,) = rules.run(project.load([Path("deployment.yml")]), [rules.rules()["literal-secret"]])
    assert one.problem.span.text == name
    assert SECRETS[name][-8:] not in one.problem.message


@pytest.mark.parametrize("name", NO_SECRETS)
def test_what_only_looks_like_a_secret_is_left_alone(name):
    assert found(changed(MANAGED, f"environment_variables:\n  {name}: {NO_SECRETS[name]!r}\n")) == {}


@pytest.mark.parametrize(
    ("reference", "advice"),
    [
        ("azureml://connections/hf/credentials/token", "${{azureml://connections/hf/credentials/token}}"),
        ("${{ azureml://connections/hf/credentials/token }}", "${{azureml://connections/hf/credentials/token}}"),
        ("${azureml://connections/hf}", "${{azureml://connections/hf}}"),
        ("${{azureml://connections/hf/token}}", "/credentials/KEY"),
        ("${{keyvault:https://v.vault.azure.net/secrets/db}}", "version is missing"),
        ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/db/1)", "${{keyvault:https://"),
        ("Bearer ${{azureml://connections/hf/credentials/token}}", "/credentials/KEY"),
    ],
)
def test_a_reference_to_a_secret_that_azure_does_not_know_is_found(reference, advice):
    Path("deployment.yml").write_text(changed(MANAGED, f"environment_variables:\n  TOKEN: '{reference}'\n"))
    (one,) = rules.run(project.load([Path("deployment.yml")]), [rules.rules()["malformed-secret-reference"]])
    assert advice in one.problem.message
