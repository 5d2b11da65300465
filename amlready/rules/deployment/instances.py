"""How many instances of which VM size a managed deployment runs on."""

from __future__ import annotations

from collections.abc import Iterator

from ... import skus
from ...diagnostic import Edit, Level, Problem, Related
from ...document import Entry, Scalar
from ...specs import Deployment
from ...suggest import listed
from .. import rule
from .container import is_no_code_mlflow
from .kinds import is_for_kubernetes
from .names import is_template
from .numbers import setting
from .scale import scale_type

_SMALL = frozenset(("standard_ds1_v2", "standard_ds2_v2", "standard_f2s_v2"))
_MLFLOW_CORES = 4


def _type(deployment: Deployment) -> tuple[Scalar, str] | None:
    """The VM size that a managed deployment names; on Kubernetes an instance type is something else."""
    node = deployment.get("instance_type")
    if is_for_kubernetes(deployment) or not isinstance(node, Scalar) or not isinstance(node.value, str):
        return None
    return None if is_template(node.value) else (node, node.value)


@rule(Level.ERROR)
def too_few_instances(deployment: Deployment) -> Iterator[Problem]:
    """A deployment asks for no instance, or for less than none.

    azure-ai-ml sends the number as it is, 0 and -1 too (SDK 1.35.2). On Kubernetes the error is
    `InvalidDeploymentSpec` ("Troubleshoot online endpoints"). A deployment that should cost nothing has to be
    deleted.

    Bad::

        # deployment.yml
        instance_count: 0

    Good::

        # deployment.yml
        instance_count: 1
    """
    found = setting(deployment, "instance_count")
    if found and found[1] < 1:
        yield Problem(found[0].value.span, f"instance_count is {found[1]}; a deployment needs at least 1")


@rule(Level.WARNING)
def too_many_instances(deployment: Deployment) -> Iterator[Problem]:
    """A managed deployment asks for more than 50 instances.

    50 is the limit for each deployment, unless Microsoft's support has raised it for the subscription ("Manage
    resources and quotas").

    Bad::

        # deployment.yml
        instance_count: 51

    Good::

        # deployment.yml
        instance_count: 50
    """
    found = setting(deployment, "instance_count")
    if found and found[1] > 50 and not deployment.is_kubernetes:
        yield Problem(found[0].value.span, f"instance_count is {found[1]}; without an exception the limit is 50")


@rule(Level.WARNING)
def missing_instance_count(deployment: Deployment) -> Iterator[Problem]:
    """A deployment does not say how many instances it wants.

    The YAML reference requires `instance_count` for managed deployments, and for Kubernetes with the scale type
    `default`. azure-ai-ml takes a file without it and sends a capacity of null.

    Bad::

        # deployment.yml
        instance_type: Standard_D2as_v4

    Good::

        # deployment.yml
        instance_type: Standard_D2as_v4
        instance_count: 1
    """
    needed = scale_type(deployment) == "default" if deployment.is_kubernetes else True
    at = deployment.find("instance_type") or deployment.find("name")
    if needed and at and deployment.find("instance_count") is None:
        yield Problem(at.key.span, "instance_count is missing; write how many instances are wanted")


@rule(Level.WARNING)
def unknown_instance_type(deployment: Deployment) -> Iterator[Problem]:
    """The VM size is not on the list for managed online endpoints.

    azure-ai-ml does not look at the name; Azure refuses one that it does not know after everything is uploaded. The
    list is Microsoft's "Managed online endpoints SKU list"; it can lag behind the service, hence a warning. Letter
    case does not matter.

    Bad::

        # deployment.yml
        instance_type: Standard_D2a_v5

    Good::

        # deployment.yml
        instance_type: Standard_D2as_v4
    """
    found = _type(deployment)
    if found is None or skus.find(found[1]) or skus.gone(found[1]):
        return
    node, name = found
    if not name.strip():
        yield Problem(node.span, "instance_type is empty; name a VM size, such as 'Standard_D2as_v4'")
        return
    alike = skus.alike(name)
    hint = (
        f"; did you mean {alike[0]!r}?" if len(alike) == 1 else f"; like it are {listed(alike, 'and')}" if alike else ""
    )
    slip = len(alike) == 1 and alike[0].lower() == name.strip().lower()
    fix = (Edit(node.span, alike[0]),) if slip and node.span.text[:1] in "'\"" else ()
    yield Problem(node.span, f"{name!r} is not on Azure's list of sizes for managed online endpoints{hint}", fix=fix)


@rule(Level.ERROR)
def retired_instance_type(deployment: Deployment) -> Iterator[Problem]:
    """The VM size belongs to a series that Azure has retired and provisions no more.

    The list of sizes for managed online endpoints still has NCv2 and NCv3, and some guides use them; the page
    "Retired Azure VM size series" says that a retired series can no longer be provisioned.

    Bad::

        # deployment.yml
        instance_type: Standard_NC6s_v3

    Good::

        # deployment.yml
        instance_type: Standard_NC4as_T4_v3
    """
    found = _type(deployment)
    day = skus.gone(found[1]) if found else None
    if found and day:
        message = f"{found[1]!r} was retired on {day} and cannot be provisioned; take a current series"
        yield Problem(found[0].span, message)


@rule(Level.NOTE)
def retiring_instance_type(deployment: Deployment) -> Iterator[Problem]:
    """The VM size belongs to a series that Azure is going to retire.

    Until then it works, but capacity is limited and new subscriptions are restricted. DSv2 goes on 2028-05-01, Fsv2
    and Lsv2 on 2028-11-15 ("Retired Azure VM size series"). The current general series of the same number of cores
    are Dasv4 and Dav4.

    Bad::

        # deployment.yml
        instance_type: Standard_DS3_v2

    Good::

        # deployment.yml
        instance_type: Standard_D4as_v4
    """
    found = _type(deployment)
    size = skus.find(found[1]) if found else None
    if found and size and size.family.goes and not size.family.gone:
        other = skus.find(f"Standard_D{size.cores}as_v4")
        hint = f"; {other.name!r} has as many cores" if other else ""
        yield Problem(found[0].span, f"{size.name!r} retires on {size.family.goes}{hint}")


@rule(Level.NOTE)
def small_instance_type(deployment: Deployment) -> Iterator[Problem]:
    """The VM size may be too small for the container.

    Microsoft's list warns of `Standard_DS1_v2` and `Standard_F2s_v2`, azure-ai-ml of `Standard_DS1_v2` and
    `Standard_DS2_v2`: too little memory or disk, or an `init()` so slow that the probes give up. An MLflow model
    without an environment installs its packages when the container starts; "Troubleshoot online endpoints" then
    suggests at least the four cores of `Standard_F4s_v2`.

    Bad::

        # deployment.yml
        instance_type: Standard_DS1_v2

    Good::

        # deployment.yml
        instance_type: Standard_D4as_v4
    """
    found = _type(deployment)
    size = skus.find(found[1]) if found else None
    if found is None or size is None:
        return
    if size.name.lower() in _SMALL:
        yield Problem(
            found[0].span, f"{size.name!r} is small; if the container runs out of memory, disk or time, take more"
        )
    elif size.cores < _MLFLOW_CORES and is_no_code_mlflow(deployment):
        message = f"{size.name!r} has {size.cores} cores; an MLflow model that installs its packages at start wants 4"
        yield Problem(found[0].span, message)


@rule(Level.NOTE)
def quota_above_default(deployment: Deployment) -> Iterator[Problem]:
    """The deployment takes more cores than a subscription has when nobody has asked for more.

    Azure reserves 20 % for upgrades, so n instances take `ceil(1.2 * n) * cores`; the A100, H100 and NDv2 sizes are
    exempt. GPU families start with a quota of 0, all others together with 24 to 300 cores per region, by kind of
    subscription ("Manage resources and quotas"). Without the quota, `create` fails with `OutOfQuota`.

    Bad::

        # deployment.yml
        instance_type: Standard_D16as_v4
        instance_count: 2

    Good::

        # deployment.yml
        instance_type: Standard_D4as_v4
        instance_count: 2
    """
    found = _type(deployment)
    size = skus.find(found[1]) if found else None
    if found is None or size is None or size.family.gone:
        return
    count = setting(deployment, "instance_count")
    instances = count[1] if count else 1
    if 1 <= instances <= 50:
        yield from _quota(found[0], size, instances, count[0] if count else None)


def _quota(node: Scalar, size: skus.Size, instances: int, count: Entry | None) -> Iterator[Problem]:
    cores = size.quota(instances)
    if not size.family.is_gpu and cores <= skus.DEFAULT_CORES:
        return
    usual = "GPU families start with none" if size.family.is_gpu else f"some regions start with {skus.DEFAULT_CORES}"
    held = ", with the 20 % that Azure holds back" if size.family.reserves else ""
    related = (Related(count.value.span, "this many instances"),) if count else ()
    message = f"{instances} x {size.name!r} needs a quota of {cores} cores{held}; {usual}"
    yield Problem(node.span, message, related)
