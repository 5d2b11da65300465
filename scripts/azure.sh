# Sourced by the scripts that use the Azure CLI: their options, the workspace, what is there, and what a failure means.
#
# They work in the subscription, resource group and workspace of AML_SUBSCRIPTION, AML_RESOURCE_GROUP and AML_WORKSPACE
# or, where one is not set, of `az account set` and `az configure --defaults group=NAME workspace=NAME`. AML_ENDPOINT is
# the endpoint's name, if not that of the file. While Azure is busy they look every AML_POLL seconds (15), and give up
# after AML_WAIT seconds (3600).
# shellcheck shell=bash
# shellcheck source=scripts/environment.sh
source scripts/environment.sh

# What az has said on standard error, for likely_cause to look at.
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT

# --- the command line ------------------------------------------------------------------------------------------------

# usage: the comment at the head of the script that runs.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "scripts/${0##*/}"; }

# wrong TEXT: what is wrong with the command line, how to use the script, and the end.
wrong() {
    printf 'amlready: %s\n\n' "$1" >&2
    usage >&2
    exit 2
}

# options KNOWN ARGUMENT...: set a variable for each option, named as it is with _ for -. KNOWN are the options of the
# script, a colon after those that take a value. KEY=VALUE after --set go to `sets`, other words to `words`.
options() {
    local known=" $1 " option
    shift
    sets=() words=()
    while (($#)); do
        case $1 in
            -h | --help) usage && exit 0 ;;
            --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        esac
        option=${1#--}
        if [[ $1 == --set && $known == *' set '* ]]; then
            [[ ${2-} == [!-]*=* ]] || wrong "--set takes KEY=VALUE"
            shift
            while [[ ${1-} == [!-]*=* ]]; do sets+=("$1") && shift; done
        elif [[ $1 == --* && $known == *" $option: "* ]]; then
            [[ -n ${2-} ]] || wrong "$1 takes a value"
            printf -v "${option//-/_}" '%s' "$2"
            shift 2
        elif [[ $1 == --* && $known == *" $option "* ]]; then
            printf -v "${option//-/_}" 'yes'
            shift
        elif [[ $1 == -* || $known != *' words '* ]]; then
            wrong "there is no option $1"
        else
            words+=("$1") && shift
        fi
    done
}

# as_given FILE DEFAULT: a file as the caller names it, who may be in another folder than the root.
as_given() {
    if [[ -n $1 && $1 != /* && -e $OLDPWD/$1 && $OLDPWD != "$PWD" ]]; then set -- "$OLDPWD/$1"; fi
    [[ -f ${1:-$2} ]] || fail "there is no file ${1:-$2}"
    printf '%s\n' "${1:-$2}"
}

# whole NAME NUMBER LEAST MOST: that the option NAME is a whole number.
whole() {
    if ! [[ $2 =~ ^(0|[1-9][0-9]{0,5})$ ]] || (($2 < $3 || $2 > $4)); then
        wrong "--$1 is a whole number from $3 to $4, not $2"
    fi
}

# --- the specs -------------------------------------------------------------------------------------------------------

# written KEY FILE: what a spec says at its top level, if that is one word.
written() { sed -nE "s/^$1:[[:space:]]+[\"']?([^]\"'#[:space:]{[]+)[\"']?[[:space:]]*(#.*)?\$/\\1/p" "$2"; }

# chosen KEY FILE: what --set says or, without it, the file.
chosen() {
    local each value
    value=$(written "$1" "$2")
    for each in ${sets[@]+"${sets[@]}"}; do [[ $each != "$1="* ]] || value=${each#*=}; done
    printf '%s\n' "$value"
}

# small: standard input in small letters.
small() { tr '[:upper:]' '[:lower:]'; }

# names FILE: set `endpoint` and `deployment`, in small letters as Azure has them, from the options, --set or FILE.
names() {
    endpoint=$(small <<<"${endpoint_name:-${AML_ENDPOINT:-$(chosen endpoint_name "$1")}}")
    deployment=$(small <<<"${deployment_name:-$(chosen name "$1")}")
    [[ -n $endpoint ]] || fail "$1 has no endpoint_name; give --endpoint-name"
    [[ -n $deployment ]] || fail "$1 has no name; give --deployment-name"
}

# amlready_program: where it is.
amlready_program() {
    command -v .venv/bin/amlready || command -v amlready ||
        fail "amlready is neither in .venv nor on the PATH; scripts/local.sh installs it in .venv"
}

# check ENDPOINT-FILE FILE: that amlready finds nothing in them as they are written, nor an error in what the options
# make of FILE.
check() {
    local amlready own each changed=()
    amlready=$(amlready_program)
    say "check: $1, $2, model.yml, environment.yml"
    "$amlready" check "$1" "$2" model.yml environment.yml || fail "nothing was sent; mend this first"
    own=$(written endpoint_name "$2" | small)
    [[ $endpoint == "$own" ]] || changed+=(--endpoint-name "$endpoint")
    [[ $endpoint != "$own" || $own == "$(written name "$1" | small)" ]] ||
        fail "$2 belongs to the endpoint $own, not to that of $1; give its --endpoint-file, or an --endpoint-name"
    [[ $deployment == "$(written name "$2" | small)" ]] || changed+=(--name "$deployment")
    for each in ${sets[@]+"${sets[@]}"}; do changed+=(--set "$each"); done
    ((${#changed[@]} == 0)) || "$amlready" check "$2" --level error "${changed[@]}" ||
        fail "nothing was sent; this is what the options make of $2"
}

# watched FILE: the ENDPOINT:DEPLOYMENT that a monitor is about.
watched() { sed -nE "s/^[[:space:]]+endpoint_deployment_id:[[:space:]]+[\"']?(azureml:)?([^\"'#[:space:]]+).*/\\2/p" "$1"; }

# monitor_of FILE: the name of the monitor of `endpoint`: that of FILE, if it is about this endpoint.
monitor_of() {
    local target
    target=$(watched "$1")
    if [[ ${target%%:*} == "$endpoint" ]]; then written name "$1"; else printf '%s-monitor\n' "$endpoint"; fi
}

# --- the workspace ---------------------------------------------------------------------------------------------------

# connect: see to it that there is a workspace to work in, and set the three variables and `region`.
connect() {
    local extensions asked=${AML_SUBSCRIPTION-}
    command -v az >/dev/null || fail "the Azure CLI is not installed (no program az); see https://aka.ms/azure-cli"
    extensions=$(az extension list --query '[].name' --output tsv | tr '\n' ' ')
    [[ " $extensions" != *' azure-cli-ml '* ]] ||
        fail "the old extension azure-cli-ml gets in the way of ml; az extension remove --name azure-cli-ml"
    [[ " $extensions" == *' ml '* ]] || fail "the Azure CLI has no extension ml; az extension add --name ml"
    AML_SUBSCRIPTION=$(az account show ${asked:+--subscription "$asked"} --query id --output tsv 2>/dev/null) ||
        fail "not logged in to Azure${asked:+, or not to a subscription $asked}; az login"
    AML_RESOURCE_GROUP=${AML_RESOURCE_GROUP:-$(configured group)}
    [[ -n $AML_RESOURCE_GROUP ]] ||
        fail "no resource group; set AML_RESOURCE_GROUP, or az configure --defaults group=NAME"
    AML_WORKSPACE=${AML_WORKSPACE:-$(configured workspace)}
    [[ -n $AML_WORKSPACE ]] || fail "no workspace; set AML_WORKSPACE, or az configure --defaults workspace=NAME"
    region=$(az ml workspace show --name "$AML_WORKSPACE" --resource-group "$AML_RESOURCE_GROUP" \
        --subscription "$AML_SUBSCRIPTION" --query location --output tsv --only-show-errors) ||
        fail "no workspace $AML_WORKSPACE in resource group $AML_RESOURCE_GROUP of $AML_SUBSCRIPTION, or no right to see it"
    export AML_SUBSCRIPTION AML_RESOURCE_GROUP AML_WORKSPACE region
}

# configured NAME: a default of `az configure`.
configured() { az configure --list-defaults --query "[?name=='$1'].value | [0]" --output tsv; }

# aml ARGUMENT...: az ml, in the workspace.
aml() {
    az ml "$@" --subscription "$AML_SUBSCRIPTION" --resource-group "$AML_RESOURCE_GROUP" --workspace-name "$AML_WORKSPACE"
}

# seen KIND QUERY ARGUMENT...: what `az ml KIND show` says; nothing if there is none. az ends with 3 then, but with 1 and a
# sentence where it is a deployment. Any other failure is one.
seen() {
    local status=0 shown errors
    errors=$(mktemp)
    shown=$(aml "$1" show "${@:3}" --query "$2" --output tsv --only-show-errors 2>"$errors") || status=$?
    if ((status != 0 && status != 3)) && ! grep -q 'Deployment does not exist' "$errors"; then
        cat "$errors" >&2
        rm -f "$errors"
        fail "az cannot say what there is of $1 ${*:3}"
    fi
    rm -f "$errors"
    printf '%s\n' "$shown"
}

# settled KIND ARGUMENT...: its state, in small letters, once nothing is being done to it; nothing if there is none.
settled() {
    local state told='' end=$((SECONDS + ${AML_WAIT:-3600}))
    while true; do
        state=$(seen "$1" provisioning_state "${@:2}" | small) || return
        [[ $state == *ing ]] || break
        [[ -n $told ]] || say "waiting: $1 ${*:2} is $state"
        told=yes
        ((SECONDS < end)) || fail "$1 ${*:2} is still $state after ${AML_WAIT:-3600} seconds; run this again later"
        sleep "${AML_POLL:-15}"
    done
    printf '%s\n' "$state"
}

# --- traffic ---------------------------------------------------------------------------------------------------------

# What options of scripts/rollout.sh set.
request='' requests=10 tolerate=0 mirror=0 pause=60

# shares KEY: who gets how much of the endpoint's `traffic` or `mirror_traffic`, as "blue=90 green=10".
shares() {
    aml online-endpoint show --name "$endpoint" --query "$1" --output json --only-show-errors |
        tr -d '{}" \n' | tr ',:' ' =' | sed 's/^null$//'
}

# live SHARES: the names of those that get some.
live() { tr ' ' '\n' <<<"$1" | sed -n 's/=0*[1-9][0-9]*$//p' | tr '\n' ' ' | sed 's/ $//'; }

# serving: set `deployment` to the one that has the live traffic.
serving() {
    local traffic
    traffic=$(shares traffic)
    deployment=$(live "$traffic")
    [[ -n $deployment && $deployment != *' '* ]] ||
        fail "not one deployment serves, but: ${traffic:-none}; give --deployment-name"
}

# send SHARES [KIND]: the traffic from now on, or the mirror-traffic.
send() {
    settled online-endpoint --name "$endpoint" >/dev/null
    say "${2:-traffic}: $1"
    aml online-endpoint update --name "$endpoint" "--${2:-traffic}" "$1" --output none
}

# probe [OPTION...]: call the endpoint `requests` times with `request`, and stop if more than `tolerate` percent fail.
probe() {
    local call bad=0
    for ((call = 0; call < requests; call++)); do
        aml online-endpoint invoke --name "$endpoint" --request-file "$request" "$@" --output none --only-show-errors \
            2>>"$errors" || bad=$((bad + 1))
    done
    say "check: $bad of $requests calls failed"
    ((bad * 100 <= tolerate * requests)) || { tail -n 5 "$errors" >&2 && failed "the rollout of $deployment" logs; }
}

# stage SHARES [KIND]: send so much to the new deployment, let that run for `pause` seconds, and probe.
stage() {
    local second
    send "$@"
    # A second at a time: a signal is heard between two.
    for ((second = 0; second < pause; second++)); do sleep 1; done
    probe --deployment-name "$deployment"
}

# give_back OLD: all traffic. At once, for there may be no time to wait; and again, if Azure was busy.
give_back() {
    local everything=(--traffic "$1=100" --output none)
    ((mirror == 0)) || everything+=(--mirror-traffic "$deployment=0")
    trap '' INT TERM
    say "rolling back: all traffic to $1"
    if aml online-endpoint update --name "$endpoint" "${everything[@]}" --no-wait; then :
    elif ! settled online-endpoint --name "$endpoint" >/dev/null ||
        ! aml online-endpoint update --name "$endpoint" "${everything[@]}"; then
        say "NOT ROLLED BACK; az ml online-endpoint update --name $endpoint --traffic $1=100"
    fi
    say "$deployment is still there, to be looked at, and paid for: scripts/logs.sh, scripts/delete.sh"
}

# --- what is sent and removed ----------------------------------------------------------------------------------------

# put_endpoint FILE: create it, or update it if FILE is not what was applied last, which a tag tells. Sets `traffic`.
put_endpoint() {
    local state tag mirror arguments
    tag=v$(cksum <"$1" | tr ' ' -)
    arguments=(--file "$1" --name "$endpoint" --set "tags.amlready=$tag" --output none)
    state=$(settled online-endpoint --name "$endpoint")
    traffic=''
    if [[ -z $state ]]; then
        say "endpoint: creating $endpoint"
        attempt aml online-endpoint create "${arguments[@]}" || failed "endpoint $endpoint"
        return
    fi
    traffic=$(shares traffic)
    if [[ $state != *succeeded || $(seen online-endpoint tags.amlready --name "$endpoint") != "$tag" ]]; then
        say "endpoint: updating $endpoint"
        # az sends what FILE says and nothing else: without these two, nobody would be served any more.
        mirror=$(shares mirror_traffic)
        attempt aml online-endpoint update "${arguments[@]}" ${traffic:+--traffic "$traffic"} \
            ${mirror:+--mirror-traffic "$mirror"} || failed "endpoint $endpoint"
    fi
}

# put_deployment FILE: create or update it. One that never came to serve is made afresh.
put_deployment() {
    local state each arguments there wanted
    arguments=(--file "$1" --name "$deployment" --endpoint-name "$endpoint" ${sets[@]+--set "${sets[@]}"} --output none)
    state=$(settled online-deployment --name "$deployment" --endpoint-name "$endpoint")
    if [[ $state == *failed || $state == *canceled ]] && [[ " $(live "$traffic") " != *" $deployment "* ]]; then
        say "deployment: $deployment is $state and serves nobody"
        remove_deployment "$deployment"
        state=''
    fi
    if [[ -z $state ]]; then
        say "deployment: creating $deployment, which takes 10 to 20 minutes"
        attempt aml online-deployment create "${arguments[@]}" || failed "deployment $deployment" logs
        return
    fi
    for each in ${sets[@]+"${sets[@]}"}; do
        [[ ${each%%=*} != *[.[]* ]] ||
            fail "$deployment exists, and then az takes no --set within ${each%%[.[=]*}; write it into $1"
    done
    wanted=$(chosen instance_type "$1")
    there=$(seen online-deployment instance_type --name "$deployment" --endpoint-name "$endpoint")
    [[ -z $wanted || -z $there || $(small <<<"$wanted") == "$(small <<<"$there")" ]] ||
        fail "$deployment runs on $there and keeps it; for $wanted, scripts/rollout.sh --file $1 --deployment-name NAME puts another one in its place"
    say "deployment: updating $deployment"
    # As text, which is what the values are when it is created.
    attempt aml online-deployment update "${arguments[@]}" --force-string || failed "deployment $deployment" logs
}

# remove_deployment NAME: and how it was to be scaled.
remove_deployment() {
    say "deployment: deleting $1 of $endpoint"
    aml online-deployment delete --name "$1" --endpoint-name "$endpoint" --yes --output none
    remove_scaling "$endpoint.$1"
}

# remove_scaling NAME: the autoscale setting NAME, or all of the endpoint NAME; scripts/autoscale.sh calls them
# ENDPOINT.DEPLOYMENT. Who may delete an endpoint may not be allowed to see them.
remove_scaling() {
    local names each
    names=$(monitor autoscale list --query "[?name=='$1' || starts_with(name, '$1.')].name" --output tsv) ||
        { say "autoscale: if $1 has settings, they stay" && return; }
    for each in $names; do
        say "autoscale: deleting $each"
        monitor autoscale delete --name "$each"
    done
}

# monitor ARGUMENT...: az monitor, in the resource group.
monitor() { az monitor "$@" --subscription "$AML_SUBSCRIPTION" --resource-group "$AML_RESOURCE_GROUP"; }

# remove_monitor NAME: a schedule, which has to stop before it can be deleted.
remove_monitor() {
    [[ -n $(seen schedule name --name "$1") ]] || return 0
    say "monitor: deleting $1"
    aml schedule disable --name "$1" --output none
    aml schedule delete --name "$1" --output none
}

# register KIND FILE REFERENCE: the version that the deployment refers to, from FILE, unless it is there. What is inline,
# or is not the asset of FILE, is none of ours.
register() {
    local name version which
    name=$(written name "$2")
    version=$(written version "$2")
    case $3 in
        "azureml:$name:"*) version=${3##*:} ;;
        "azureml:$name@latest") ;;
        *) return 0 ;;
    esac
    # A file without a version gets the next one.
    which=(--label latest)
    [[ -z $version ]] || which=(--version "$version")
    if [[ -n $(seen "$1" name --name "$name" "${which[@]}") ]]; then
        say "$1: $name:${version:-latest} is registered"
    else
        say "$1: registering $name${version:+:$version}"
        attempt aml "$1" create --file "$2" ${version:+--version "$version"} --output none || failed "$1 $name"
    fi
}

# landing FILE: print where requests go, and where what is collected of them lands. It is an error if that is less than
# FILE enables: nobody would notice.
landing() {
    local found each id wanted
    found=$(seen online-endpoint scoring_uri --name "$endpoint")
    printf 'scoring URI: %s\n' "$found"
    id=$(seen online-deployment id --name "$deployment" --endpoint-name "$endpoint")
    # az ml does not show which data assets the collections have.
    found=$(az resource show --ids "$id" --api-version 2023-04-01-preview --output tsv --only-show-errors --query \
        "values(properties.dataCollector.collections || \`{}\`)[?dataCollectionMode=='Enabled'].dataId") ||
        fail "az cannot say what $deployment collects"
    wanted=$(enabled "$1")
    (($(wc -w <<<"$found") >= wanted)) ||
        fail "$deployment collects $(wc -w <<<"$found" | tr -d ' ') of the $wanted collections that $1 enables; scripts/rollout.sh --file $1 --deployment-name NAME puts another one in its place"
    for each in $found; do
        # The end of an id: /data/NAME/versions/VERSION
        each=${each##*/data/}
        found=$(seen data path --name "${each%%/*}" --version "${each##*/}")
        printf 'collected data: %s\n' "$found"
    done
}

# enabled FILE: how many collections a deployment enables; 0 if --set may have changed that.
enabled() {
    local each
    for each in ${sets[@]+"${sets[@]}"}; do [[ $each != data_collector* ]] || { echo 0 && return; }; done
    sed 's/#.*//' "$1" | { grep -oiE "(^|[^_[:alnum:]])enabled:[[:space:]]*[\"']?true" || true; } | wc -l
}

# --- when it fails ---------------------------------------------------------------------------------------------------

# attempt COMMAND...: run it; what it says on standard error is shown, and kept in the file `errors`.
attempt() { { "$@" 2>&1 1>&3 | tee "$errors" >&2; } 3>&1; }

# failed WHAT [LOGS]: say why, as far as the file `errors` and, with LOGS, the container's log show it; and the end.
failed() {
    if [[ -n ${2-} ]]; then last_words 40 | tee -a "$errors" >&2; fi
    likely_cause "$errors"
    fail "$1 failed"
}

# last_words LINES: the end of the container's log; that of the container which fetches model and code, if it has none.
last_words() {
    local container log
    for container in inference-server storage-initializer; do
        log=$(aml online-deployment get-logs --name "$deployment" --endpoint-name "$endpoint" \
            --container "$container" --lines "$1" --only-show-errors 2>/dev/null) || continue
        [[ -z $log ]] || break
    done
    [[ -z $log ]] || printf '%s\n' "--- the last lines of $container of $deployment:" "$log" '---'
}

# likely_cause FILE...: what the messages in them usually mean: the first line of the table that is found in them.
likely_cause() {
    local line
    while read -r line; do
        if grep -qiE -- "${line%% => *}" "$@"; then
            printf 'amlready: likely cause: %s\n' "${line#* => }" >&2
            return
        fi
    done <<'TABLE'
local variable '?debug => a fault in the extension ml hides the real error; amlready check shows it, and az extension update --name ml mends it
unique within a region|already an endpoint with this name => somebody in this region has an endpoint of this name; take another one: --endpoint-name NAME
OutOfQuota|not enough quota => too few cores are left of your quota: Azure wants ceil(1.2 x instance_count) machines of the instance_type; --set instance_count=1, or amlready explain quota-above-default
SubscriptionNotRegistered|MissingSubscriptionRegistration => the subscription does not know Azure ML yet; az provider register --namespace Microsoft.MachineLearningServices
AuthorizationFailed|does not have authorization|AuthorizationPermissionMismatch => you have no role that allows this; the workspace needs AzureML Data Scientist or Contributor, reading collected data Storage Blob Data Reader
SecretsInjectionError => an environment variable refers to a secret that cannot be read; amlready explain malformed-secret-reference
No module named .azureml.contrib => the inference server is too old to run beside the Collector; amlready explain contrib-hidden
inference-server-http is missing|No module named .azureml_inference_server => conda.yaml does not install the inference server; amlready explain server-missing
No module named .azureml.ai|No module named .azureml. => conda.yaml does not install the Collector; amlready explain monitoring-missing
No module named => the scoring script imports a package that conda.yaml does not install
custom logging is not enabled|collection .* is not enabled => the scoring script makes a Collector that deployment.yml does not enable; amlready explain collector-not-enabled
ImageBuildFailure|Pip subprocess error|ResolvePackageNotFound|ResolutionImpossible => the packages of conda.yaml cannot be installed together; amlready explain conflicting-requirements, and the build's log is at the environment in the studio
MemoryError|OOMKilled|exit code 137 => the container needs more memory than the machine has; amlready explain small-instance-type
User's init function failed|Worker failed to boot => the scoring script does not start; amlready score runs it here, and amlready explain init-fails says what to look for
unexpected error occurred in scoring script|Encountered Exception|invalid status .Failed Dependency => run() raised an exception; scripts/logs.sh shows it, amlready score tries the same here, and amlready explain run-raises says more
Liveness probe failed|Readiness probe failed|ResourceNotReady|container has crashed => the container does not start, or does not answer in time; amlready score runs the scoring script here, and amlready explain init-slow is about the probes
in (Creating|Updating|Deleting) provisioning state|invalid status .Conflict => Azure is still busy with it; run this again, it waits
No valid deployments to route to|invalid status .Not Found => no deployment gets live traffic; scripts/deploy.sh --all-traffic
invalid status .Request Timeout|upstream request timeout => the answer took longer than request_timeout_ms; amlready explain run-slow
invalid status .Too Many Requests => more requests at once than the instances and their workers take; amlready explain workers-differ, or scripts/autoscale.sh
invalid status .Unauthorized => the key or token was not accepted: az login again, and look at auth_mode in endpoint.yml
TABLE
}
