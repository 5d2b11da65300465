"""Valid specs of every kind, from the least to every key there is, and the files that they refer to."""

from __future__ import annotations

from pathlib import Path

FILES = {
    "conda.yaml": "channels: [conda-forge]\ndependencies: [python=3.11, pip]\n",
    "list.yaml": "- a\n- b\n",
    "empty.yaml": "",
    "broken.yaml": "a: [1\n",
    "tagged.yaml": "a: !x 1\n",
    "latin.yaml": b"a: \xe9\n",
    "model.pkl": b"\x80\x04N.",
    "model/MLmodel": "flavors: {}\n",
    "context/Dockerfile": "FROM scratch\n",
    "src/score.py": "def init(): ...\ndef run(data): ...\n",
    "env.yml": "name: e\nversion: 2\nimage: python:3.11\nconda_file: conda.yaml\n",
    "anonymous.yml": "image: python:3.11\n",
    "sub/conda.yaml": "dependencies: [python=3.11]\n",
    "sub/env.yml": "name: e\nimage: python:3.11\nconda_file: conda.yaml\n",
    "sub/anonymous.yml": "image: python:3.11\n",
    "sub/astray.yml": "name: e\nimage: python:3.11\nconda_file: sub/conda.yaml\n",
    "bad-env.yml": "name: e\nbogus: 1\n",
}


def lay_out(folder: Path) -> None:
    """Write the files that the specs, and the mutants' paths, refer to."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "nothing").mkdir(exist_ok=True)


_ENVIRONMENT = """
  name: e
  version: '1'
  description: d
  tags: {a: b}
  image: python:3.11
  conda_file: conda.yaml
  os_type: linux
  datastore: workspaceblobstore
  auto_delete_setting: {condition: created_greater_than, value: 30d}
  creation_context: {created_at: x}
  latest_version: '3'
  intellectual_property: {publisher: p}
  id: azureml:e:1
  inference_config:
    liveness_route: {port: 5001, path: /live}
    readiness_route: {port: 5001, path: /live}
    scoring_route: {port: 5001, path: /score}
"""
_MODEL = """
  name: m
  version: 1
  type: custom_model
  path: model
  description: d
  tags: {a: 1}
  properties: {p: 1}
  stage: Production
  flavors: {f: {a: b}}
  datastore: workspaceblobstore
  job_name: j
  latest_version: '1'
  utc_time_created: x
  id: azureml:m:1
  creation_context: {created_at: x}
  intellectual_property: {publisher: p}
  system_metadata: {a: b}
  default_deployment_template: {asset_id: a}
  allowed_deployment_templates: [{asset_id: a}]
"""
_DEPLOYMENT = """
$schema: https://example.org/deployment.json
name: blue
endpoint_name: my-endpoint
description: d
id: x
tags: {a: b}
properties: {p: q}
code_configuration: {code: src, scoring_script: score.py}
environment_variables: {A: '1', B: b}
app_insights_enabled: true
request_settings: {request_timeout_ms: 5000, max_concurrent_requests_per_instance: 1, max_queue_wait_ms: 500}
liveness_probe: {period: 10, initial_delay: 10, timeout: 2, success_threshold: 1, failure_threshold: 30}
readiness_probe: {period: 10, initial_delay: 10, timeout: 2, success_threshold: 1, failure_threshold: 30}
provisioning_state: s
instance_count: 1
instance_type: Standard_DS3_v2
model_mount_path: /var/model
data_collector:
  sampling_rate: 0.5
  rolling_rate: hour
  request_logging: {capture_headers: [x-ms-client-request-id]}
  collections:
    model_inputs:
      enabled: 'true'
      client_id: c
      data: {name: a, path: azureml://datastores/d/paths/p, version: '1', data_id: i}
    model_outputs: {enabled: 'false', data: azureml:a:1}
"""
_MANAGED = """
type: managed
egress_public_network_access: enabled
private_network_connection: true
creation_context: {created_at: x}
"""
_ENDPOINT = """
$schema: https://example.org/endpoint.json
id: x
name: my-endpoint
description: d
tags: {a: b}
properties: {enforce_access_to_default_secret_stores: enabled}
auth_mode: key
scoring_uri: s
openapi_uri: o
location: westeurope
provisioning_state: s
kind: k
traffic: {blue: 90, green: 10}
mirror_traffic: {green: 10}
identity:
  type: user_assigned
  principal_id: p
  tenant_id: t
  user_assigned_identities: [{resource_id: /subscriptions/s/x}]
"""
_INPUT = "{type: uri_folder, path: azureml:d:1, mode: download, datastore: d, path_on_compute: model}"
_TABLE = "{type: mltable, path: azureml:d:1, mode: eval_mount}"
_WINDOW = (
    "{lookback_window_size: P7D, lookback_window_offset: P0D, window_start: '2025-01-01', window_end: '2025-02-01'}"
)
_SEGMENT = "{feature_name: f, feature_values: [a, b]}"
_DRIFT = """{data_type: numerical, threshold: 0.1,
        numerical: {jensen_shannon_distance: 0.1, normalized_wasserstein_distance: 0.1, population_stability_index: 1,
                    two_sample_kolmogorov_smirnov_test: 0.1},
        categorical: {jensen_shannon_distance: 0.1, population_stability_index: 0.1, pearsons_chi_squared_test: 0.1}}"""
_QUALITY = """{data_type: categorical, threshold: 0.1,
        numerical: {null_value_rate: 0.1, data_type_error_rate: 0.1, out_of_bounds_rate: 0.1},
        categorical: {null_value_rate: 0.1, data_type_error_rate: 0.1, out_of_bounds_rate: 0.1}}"""
_PRODUCTION = f"""
        input_data: {_INPUT}
        data_context: model_inputs
        pre_processing_component: azureml:c:1
        data_window: {_WINDOW}
        data_column_names: {{prediction: p}}"""
_REFERENCE = f"""
        input_data: {_TABLE}
        data_context: training
        pre_processing_component: azureml:c:1
        data_window: {_WINDOW}
        data_column_names: {{target_column: t}}"""
_MONITOR = """
$schema: https://example.org/monitor.json
name: my-monitor
display_name: My monitor
description: d
tags: {a: b}
properties: {p: q, r: null}
id: x
creation_context: {created_at: x}
is_enabled: true
provisioning_state: s
"""
_TARGET = """
  compute: {instance_type: standard_e4s_v3, runtime_version: '3.4'}
  monitoring_target: {ml_task: classification, endpoint_deployment_id: 'azureml:e:blue', model_id: 'azureml:m:1'}
"""
_SIGNALS = f"""
  monitoring_signals:
    drift:
      type: data_drift
      production_data: {_PRODUCTION}
      reference_data: {_REFERENCE}
      features: {{top_n_feature_importance: 10}}
      feature_type_override: {{a: numerical}}
      properties: {{a: b}}
      alert_enabled: true
      data_segment: {_SEGMENT}
      metric_thresholds: {_DRIFT}
    quality:
      type: data_quality
      features: all_features
      feature_type_override: {{a: numerical}}
      properties: {{a: b}}
      alert_enabled: false
      production_data: {_PRODUCTION}
      reference_data: {_REFERENCE}
      metric_thresholds: {_QUALITY}
    outputs:
      type: prediction_drift
      properties: {{a: b}}
      alert_enabled: false
      production_data: {_PRODUCTION}
      reference_data: {_REFERENCE}
      metric_thresholds: {_DRIFT}
"""
_MORE_SIGNALS = f"""
  monitoring_signals:
    attribution:
      type: feature_attribution_drift
      alert_enabled: true
      production_data:
      - input_data: {_INPUT}
        data_context: model_inputs
        data_column_names: {{correlation_id: c, prediction: p}}
        pre_processing_component: azureml:c:1
        data_window: {_WINDOW}
      reference_data: {_REFERENCE}
      metric_thresholds: {{normalized_discounted_cumulative_gain: 0.9, threshold: 0.1}}
    performance:
      type: model_performance
      production_data: {_PRODUCTION}
      reference_data: {_REFERENCE}
      data_segment: {_SEGMENT}
      alert_enabled: true
      properties: {{a: b}}
      metric_thresholds: {{classification: {{accuracy: 0.9, precision: 0.9, recall: 0.9}}}}
    mine:
      type: custom
      component_id: azureml:c:1
      connection: {{environment_variables: {{a: b}}, secret_config: {{a: b}}}}
      alert_enabled: true
      metric_thresholds: [{{metric_name: m, threshold: 0.1}}]
      input_data:
        one: {{input_data: {_TABLE}, data_context: test, data_window: {_WINDOW}}}
      inputs: {{two: {_TABLE}}}
    safety:
      type: generation_safety_quality
      connection_id: c
      alert_enabled: true
      sampling_rate: 0.5
      properties: {{a: b}}
      production_data: [{{input_data: {_INPUT}, data_column_names: {{a: b}}, data_window: {_WINDOW}}}]
      metric_thresholds:
        groundedness: {{aggregated_groundedness_pass_rate: 0.5, acceptable_groundedness_score_per_instance: 3}}
        relevance: {{aggregated_relevance_pass_rate: 0.5}}
        coherence: {{aggregated_coherence_pass_rate: 0.5}}
        fluency: {{aggregated_fluency_pass_rate: 0.5}}
        similarity: {{aggregated_similarity_pass_rate: 0.5}}
    tokens:
      type: generation_token_statistics
      alert_enabled: true
      sampling_rate: 0.5
      properties: {{a: b}}
      production_data: {{input_data: {_INPUT}}}
      metric_thresholds: {{totaltoken: {{total_token_count: 1, total_token_count_per_group: 2}}}}
"""
_LEAST = "name: blue\nendpoint_name: my-endpoint\n"
_RECURRENCE = """
trigger:
  type: recurrence
  frequency: week
  interval: 1
  start_time: '2025-01-31T03:15:00'
  end_time: '2026-01-31 03:15:00.5+01:00'
  time_zone: UTC
  schedule: {hours: [3, 4], minutes: 15, week_days: [monday, Friday], month_days: [1, 2]}
"""
_CRON = """
trigger: {type: cron, expression: '15 3 * * *', start_time: '2025-01-31T03:15Z', time_zone: UTC}
"""

SPECS: tuple[tuple[str, str], ...] = (
    ("endpoint", "name: my-endpoint\n"),
    ("endpoint", "name: my-endpoint\nauth_mode: AADToken\nidentity: {type: SystemAssigned}\n"),
    ("endpoint", _ENDPOINT + "public_network_access: Disabled\n"),
    ("endpoint", _ENDPOINT + "compute: azureml:my-cluster\n"),
    ("deployment", _LEAST + "instance_type: Standard_DS3_v2\n"),
    ("deployment", _DEPLOYMENT + _MANAGED + "model: azureml:m:1\nenvironment: azureml:e@latest\n"),
    ("deployment", _DEPLOYMENT + f"model: {_MODEL}\nenvironment: {_ENVIRONMENT}\nscale_settings: {{type: default}}\n"),
    ("deployment", _LEAST + "instance_type: x\nmodel: {path: model.pkl}\nenvironment: {build: {path: context}}\n"),
    ("deployment", _LEAST + "instance_type: x\nmodel: {path: model/}\nenvironment: file:./sub/env.yml\n"),
    ("deployment", _LEAST + "type: kubernetes\n"),
    (
        "deployment",
        _DEPLOYMENT
        + "type: kubernetes\nmodel: azureml:m@latest\nenvironment: {image: i, conda_file: {dependencies: [a]}}\n"
        "scale_settings: {type: target_utilization, polling_interval: 1, target_utilization_percentage: 70,"
        " min_instances: 1, max_instances: 2}\n"
        "resources: {requests: {cpu: '0.1', memory: 1Gi, nvidia.com/gpu: '1'}, limits: {cpu: '1', gpu: '1'}}\n",
    ),
    ("model", "name: m\n"),
    ("model", _MODEL.replace("\n  ", "\n")),
    ("environment", "name: e\nimage: python:3.11\n"),
    ("environment", _ENVIRONMENT.replace("\n  ", "\n")),
    ("environment", "name: e\nbuild: {path: context, dockerfile_path: Dockerfile}\n"),
    ("environment", "name: e\nimage: i\nconda_file: {channels: [c], dependencies: [python=3.11, {pip: [a]}]}\n"),
    ("data", "name: d\npath: model\n"),
    (
        "data",
        "$schema: s\nname: d\nversion: 1\ntype: uri_folder\npath: azureml://datastores/d/paths/p\ndescription: d\n"
        "tags: {a: b}\nproperties: {p: q}\nid: x\ndatastore: d\nlatest_version: '1'\ncreation_context: {a: b}\n"
        "auto_delete_setting: {condition: last_accessed_greater_than, value: 30d}\n",
    ),
    ("monitor", f"name: my-monitor\n{_CRON}\ncreate_monitor: {_TARGET}\n"),
    (
        "monitor",
        f"{_MONITOR}\n{_RECURRENCE}\ncreate_monitor: {_TARGET}\n  alert_notification: azmonitoring\n{_SIGNALS}\n",
    ),
    (
        "monitor",
        f"{_MONITOR}\n{_CRON}\ncreate_monitor: {_TARGET}\n  alert_notification: {{emails: [a@b.c]}}\n{_MORE_SIGNALS}\n",
    ),
)
"""Family and text of each."""
