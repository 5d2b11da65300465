"""The small Azure behind the fake `az`: what each command does to it, and when it is refused.

It is as strict as Azure and the extension `ml` are where a script can go wrong, and knows nothing else. Each handler
takes the state and the options by their long names, and gives what the command prints.
"""

from __future__ import annotations

import copy
import fnmatch
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

State = dict[str, Any]
Options = dict[str, Any]

NOT_FOUND = 3


class Refusal(Exception):
    """What `az` says on standard error, and its exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def _there(things: State, name: str, what: str) -> State:
    if name not in things:
        raise Refusal(f"(ResourceNotFound) {what} {name} was not found.", NOT_FOUND)
    found: State = things[name]
    return found


def _seen(thing: State) -> State:
    """A copy as `show` prints it. A state that is a list passes: each look sees the next one."""
    passing = thing.get("provisioning_state")
    shown = copy.deepcopy(thing)
    if isinstance(passing, list):
        shown["provisioning_state"] = passing[0]
        thing["provisioning_state"] = passing[1:] if len(passing) > 1 else passing[0]
    return shown


def _spec(options: Options) -> State:
    path = Path(options["--file"])
    if not path.is_file():
        raise Refusal(f"No such file or directory: {path}")
    import yaml  # only here, because a run makes dozens of calls

    content: State = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _override(spec: State, settings: list[str]) -> State:
    """`--set` of the create commands: nested keys are made, values are text."""
    for setting in settings:
        path, value = setting.split("=", 1)
        *outer, last = path.replace("[", ".[").split(".")
        place = spec
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return spec


# --- az itself -------------------------------------------------------------------------------------------------------


def account_show(state: State, options: Options) -> State:
    wanted = options.get("--name", state["account"]["id"])
    if wanted not in (state["account"]["id"], state["account"]["name"]):
        raise Refusal(f"Subscription '{wanted}' not found. Check the spelling and casing and try again.")
    account: State = state["account"]
    return account


def extension_list(state: State, _: Options) -> list[State]:
    return [{"name": name, "version": "1.0"} for name in state["extensions"]]


def configure(state: State, options: Options) -> list[State]:
    assert options.get("--list-defaults")
    return [{"name": name, "source": "config", "value": value} for name, value in state["defaults"].items()]


def workspace_show(state: State, options: Options) -> State:
    if options["--resource-group"] != state["workspace"]["resource_group"]:
        raise Refusal("(ResourceGroupNotFound) Resource group could not be found.", NOT_FOUND)
    return _there({state["workspace"]["name"]: state["workspace"]}, options["--name"], "Workspace")


# --- endpoints -------------------------------------------------------------------------------------------------------


def endpoint_show(state: State, options: Options) -> State:
    return _seen(_there(state["endpoints"], options["--name"], "Endpoint"))


def endpoint_create(state: State, options: Options) -> State:
    spec = _override(_spec(options), options.get("--set", []))
    name = options.get("--name", spec["name"]).lower()
    if name in state["endpoints"]:
        raise Refusal("(UserError) An endpoint with this name already exists.")
    if spec.get("traffic"):
        raise Refusal("(BadArgument) Traffic names a deployment that does not exist.")
    return _put_endpoint(state, name, spec)


def endpoint_update(state: State, options: Options) -> State:
    """The file, if there is one, takes the place of what is there: a traffic that it does not name is gone."""
    name = options["--name"].lower()
    there = _there(state["endpoints"], name, "Endpoint")
    if str(there["provisioning_state"]) != "Succeeded" and "Failed" not in str(there["provisioning_state"]):
        raise Refusal("Operation returned an invalid status 'Conflict'")
    spec = _spec(options) if "--file" in options else copy.deepcopy(there)
    _override(spec, options.get("--set", []))
    for option, key in (("--traffic", "traffic"), ("--mirror-traffic", "mirror_traffic")):
        if option in options:
            spec[key] = _shares(options[option])
    _refuse_traffic(spec, there["deployments"])
    return _put_endpoint(state, name, spec)


def _shares(written: str) -> dict[str, int]:
    pairs = [pair.split("=") for pair in written.split(" ")]
    if not all(len(pair) == 2 and pair[1].isnumeric() for pair in pairs):
        raise Refusal("Do not add a delimiter between traffic variables")
    return {name: int(share) for name, share in pairs if int(share)}


def _refuse_traffic(spec: State, deployments: State) -> None:
    traffic, mirror = spec.get("traffic") or {}, spec.get("mirror_traffic") or {}
    unknown = [name for name in (*traffic, *mirror) if name not in deployments]
    if unknown:
        raise Refusal(f"(BadArgument) Deployment {unknown[0]} does not exist.")
    if sum(traffic.values()) not in (0, 100):
        raise Refusal("(BadArgument) The sum of traffic has to be 0 or 100.")
    if set(traffic) & set(mirror) or any(share > 50 for share in mirror.values()):
        raise Refusal("(BadArgument) Mirror traffic goes to a deployment without live traffic, at most 50 percent.")


def _put_endpoint(state: State, name: str, spec: State) -> State:
    known = state["endpoints"].get(name, {})
    state["endpoints"][name] = {
        "name": name,
        "auth_mode": spec.get("auth_mode", "key"),
        "description": spec.get("description"),
        "tags": spec.get("tags") or {},
        "traffic": spec.get("traffic") or {},
        "mirror_traffic": spec.get("mirror_traffic") or {},
        "scoring_uri": f"https://{name}.westeurope.inference.ml.azure.com/score",
        "provisioning_state": "Succeeded",
        "deployments": known.get("deployments", {}),
    }
    return _seen(state["endpoints"][name])


def endpoint_delete(state: State, options: Options) -> None:
    assert options.get("--yes"), "the real command asks, and nobody would answer"
    _there(state["endpoints"], options["--name"], "Endpoint")
    del state["endpoints"][options["--name"]]


def endpoint_invoke(state: State, options: Options) -> str:
    json.loads(Path(options["--request-file"]).read_text(encoding="utf-8"))
    endpoint = _there(state["endpoints"], options["--name"], "Endpoint")
    named = options.get("--deployment-name")
    if named and named not in endpoint["deployments"]:
        raise Refusal(f"Deployment name {named} not found for this endpoint")
    if not named and not endpoint["traffic"]:
        raise Refusal("No valid deployments to route to.")
    return "[152.13, 68.9]"


def endpoint_credentials(state: State, options: Options) -> State:
    """For no script to use."""
    _there(state["endpoints"], options["--name"], "Endpoint")
    return {"primaryKey": state["secret"], "secondaryKey": state["secret"]}


# --- deployments -----------------------------------------------------------------------------------------------------


def _deployments(state: State, options: Options) -> State:
    endpoint = _there(state["endpoints"], options["--endpoint-name"].lower(), "Endpoint")
    deployments: State = endpoint["deployments"]
    return deployments


def deployment_show(state: State, options: Options) -> State:
    """The extension ends with 1 where others end with 3."""
    endpoint = state["endpoints"].get(options["--endpoint-name"], {"deployments": {}})
    if options["--name"] not in endpoint["deployments"]:
        raise Refusal("Met error <class 'ValueError'>:Deployment does not exist.")
    return _printed(endpoint["deployments"][options["--name"]])


def _printed(deployment: State) -> State:
    """The extension prints an empty mapping for a collection's data asset, whichever it is."""
    shown = _seen(deployment)
    for collection in (shown.get("data_collector") or {}).get("collections", {}).values():
        collection["data"] = {}
    return shown


def deployment_list(state: State, options: Options) -> list[State]:
    return [_printed(each) for each in _deployments(state, options).values()]


def resource_show(state: State, options: Options) -> State:
    """A deployment as the management API has it, as far as the scripts ask."""
    deployments = [each for endpoint in state["endpoints"].values() for each in endpoint["deployments"].values()]
    deployment = _there({each["id"]: each for each in deployments}, options["--ids"][0], "Resource")
    collections = {
        name: {
            "dataCollectionMode": "Enabled" if str(each.get("enabled")).lower() == "true" else "Disabled",
            "dataId": each["data"],
        }
        for name, each in (deployment["data_collector"] or {}).get("collections", {}).items()
    }
    return {"properties": {"dataCollector": {"collections": collections} if collections else None}}


def deployment_create(state: State, options: Options) -> State:
    spec = _override(_spec(options), options.get("--set", []))
    if options["--name"] in _deployments(state, options):
        raise Refusal("(UserError) A deployment with this name already exists.")
    return _put_deployment(state, options, spec)


def deployment_update(state: State, options: Options) -> State:
    """With a file, what is there is not fetched, so `--set` finds no keys to go into."""
    if options["--name"] not in _deployments(state, options):
        raise Refusal("Met error <class 'ValueError'>:Deployment does not exist")
    there = _deployments(state, options)[options["--name"]]
    nested = [each for each in options.get("--set", []) if re.match(r"[^=]*[.\[]", each)]
    if "--file" in options and nested:
        raise Refusal(f"Couldn't find '{re.split(r'[.=[]', nested[0])[0]}' in ''. Available options: []")
    spec = _override(_spec(options), options.get("--set", []))
    if str(spec.get("instance_type")).lower() != str(there.get("instance_type")).lower():
        raise Refusal("(BadArgument) The instance type of a deployment cannot be changed.")
    return _put_deployment(state, options, spec)


def _put_deployment(state: State, options: Options, spec: State) -> State:
    endpoint, name = options["--endpoint-name"].lower(), options["--name"].lower()
    collector = copy.deepcopy(spec.get("data_collector"))
    for collection, settings in (collector or {}).get("collections", {}).items():
        asset = settings.get("data") or {}
        default = f"azureml://datastores/workspaceblobstore/paths/modelDataCollector/{endpoint}/{name}/{collection}"
        key = f"{asset.get('name', f'{endpoint}-{name}-{collection}')}:{asset.get('version', '1')}"
        state["data"].setdefault(key, {"path": asset.get("path", default)})
        settings["data"] = f"/subscriptions/x/workspaces/y/data/{key.replace(':', '/versions/')}"
    for kind in ("model", "environment"):
        reference = re.fullmatch(r"azureml:(.+:.+)", str(spec[kind]))
        if reference and reference[1] not in state[kind]:
            raise Refusal(f"(BadArgument) The {kind} {reference[1]} was not found.")
    deployment = {
        "id": f"/subscriptions/s/resourceGroups/g/onlineEndpoints/{endpoint}/deployments/{name}",
        "name": name,
        "endpoint_name": endpoint,
        "model": spec["model"],
        "environment": spec["environment"],
        "instance_type": spec.get("instance_type"),
        "instance_count": int(spec["instance_count"]),
        "data_collector": collector,
        "provisioning_state": "Succeeded",
    }
    state["endpoints"][endpoint]["deployments"][name] = deployment
    return _seen(deployment)


def deployment_delete(state: State, options: Options) -> None:
    assert options.get("--yes"), "the real command asks, and nobody would answer"
    deployments, name = _deployments(state, options), options["--name"]
    if state["endpoints"][options["--endpoint-name"]]["traffic"].get(name):
        raise Refusal(f"(BadRequest) Deployment {name} has live traffic and cannot be deleted.")
    _there(deployments, name, "Deployment")
    del deployments[name]


def deployment_logs(state: State, options: Options) -> None:
    """Printed as it is, by the command itself."""
    if not _deployments(state, options).get(options["--name"]):
        raise Refusal("(ResourceNotFound) There is no container.")
    log = state["logs"].get(options.get("--container", "inference-server"), "")
    print("\n".join(log.splitlines()[-int(options.get("--lines", 5000)) :]))


# --- assets and schedules --------------------------------------------------------------------------------------------


def show(kind: str) -> Callable[[State, Options], State]:
    """The show command of a kind whose things are kept under NAME or NAME:VERSION."""

    def shown(state: State, options: Options) -> State:
        name, version = options["--name"], options.get("--version")
        if options.get("--label") == "latest":
            version = next((key.split(":")[1] for key in reversed(state[kind]) if key.startswith(f"{name}:")), None)
        there = _there(state[kind], f"{name}:{version}" if version else name, kind)
        where = f"azureml:/subscriptions/s/resourceGroups/g/workspaces/w/{kind}s/{name}/versions/{version}"
        return {"id": where, "name": name} | there

    return shown


def register(kind: str) -> Callable[[State, Options], State]:
    """The create command of a kind with versions, which refuses to overwrite."""

    def registered(state: State, options: Options) -> State:
        spec = _spec(options)
        count = sum(key.startswith(f"{spec['name']}:") for key in state[kind])
        key = f"{spec['name']}:{options.get('--version', spec.get('version', count + 1))}"
        if key in state[kind]:
            raise Refusal(f"(UserError) {kind} {key} already exists.")
        state[kind][key] = {"version": key.split(":")[1]}
        return {"name": spec["name"]}

    return registered


def schedule_create(state: State, options: Options) -> State:
    """Creates or replaces."""
    spec = _override(_spec(options), options.get("--set", []))
    schedule: State = {**spec, "is_enabled": True}
    state["schedule"][options.get("--name", spec["name"])] = schedule
    return schedule


def schedule_disable(state: State, options: Options) -> None:
    _there(state["schedule"], options["--name"], "Schedule")["is_enabled"] = False


def schedule_delete(state: State, options: Options) -> None:
    if _there(state["schedule"], options["--name"], "Schedule")["is_enabled"]:
        raise Refusal("(UserError) A schedule has to be disabled before it is deleted.")
    del state["schedule"][options["--name"]]


# --- Azure Monitor and Blob Storage ----------------------------------------------------------------------------------


def autoscale_list(state: State, _: Options) -> list[State]:
    return [{"name": name, **setting} for name, setting in state["autoscale"].items()]


def autoscale_create(state: State, options: Options) -> State:
    setting: State = {"targetResourceUri": options["--resource"], "profiles": [{"capacity": {}, "rules": []}]}
    state["autoscale"][options["--name"]] = setting
    return autoscale_update(state, options)


def autoscale_update(state: State, options: Options) -> State:
    setting = _there(state["autoscale"], options["--name"], "Autoscale setting")
    keys = {"minimum": "--min-count", "maximum": "--max-count", "default": "--count"}
    setting["profiles"][0]["capacity"] |= {key: options[option] for key, option in keys.items() if option in options}
    return setting


def autoscale_delete(state: State, options: Options) -> None:
    del state["autoscale"][options["--name"]]


def rule_create(state: State, options: Options) -> State:
    condition = re.fullmatch(r"(\w+) ([<>]) (\d+) avg (\d+m)", options["--condition"])
    assert condition, options["--condition"]
    direction, amount = options["--scale"]
    assert direction in ("in", "out")
    rule: State = {
        "metricTrigger": {"metricName": condition[1], "operator": condition[2], "threshold": float(condition[3])},
        "scaleAction": {"direction": direction, "value": amount},
    }
    state["autoscale"][options["--autoscale-name"]]["profiles"][0]["rules"].append(rule)
    return rule


def rule_delete(state: State, options: Options) -> None:
    assert options["--index"] == ["*"]
    state["autoscale"][options["--autoscale-name"]]["profiles"][0]["rules"].clear()


def download_batch(state: State, options: Options) -> list[str]:
    target = Path(options["--destination"])
    if not target.is_dir():
        raise Refusal(f"incorrect usage: destination must be an existing directory: {target}")
    names = [name for name in state["blobs"] if fnmatch.fnmatchcase(name, options.get("--pattern", "*"))]
    for name in names:
        file = target / name
        if file.exists() and options.get("--overwrite") != "true":
            raise Refusal(f"{name} already exists in {target}.")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(state["blobs"][name], encoding="utf-8")
    return names


HANDLERS: dict[str, Callable[[State, Options], Any]] = {
    "account show": account_show,
    "extension list": extension_list,
    "resource show": resource_show,
    "configure": configure,
    "ml workspace show": workspace_show,
    "ml online-endpoint show": endpoint_show,
    "ml online-endpoint create": endpoint_create,
    "ml online-endpoint update": endpoint_update,
    "ml online-endpoint delete": endpoint_delete,
    "ml online-endpoint invoke": endpoint_invoke,
    "ml online-endpoint get-credentials": endpoint_credentials,
    "ml online-deployment show": deployment_show,
    "ml online-deployment list": deployment_list,
    "ml online-deployment create": deployment_create,
    "ml online-deployment update": deployment_update,
    "ml online-deployment delete": deployment_delete,
    "ml online-deployment get-logs": deployment_logs,
    "ml model show": show("model"),
    "ml model create": register("model"),
    "ml environment show": show("environment"),
    "ml environment create": register("environment"),
    "ml data show": show("data"),
    "ml datastore show": show("datastore"),
    "ml schedule show": show("schedule"),
    "ml schedule create": schedule_create,
    "ml schedule disable": schedule_disable,
    "ml schedule delete": schedule_delete,
    "monitor autoscale list": autoscale_list,
    "monitor autoscale create": autoscale_create,
    "monitor autoscale update": autoscale_update,
    "monitor autoscale delete": autoscale_delete,
    "monitor autoscale rule create": rule_create,
    "monitor autoscale rule delete": rule_delete,
    "storage blob download-batch": download_batch,
}
