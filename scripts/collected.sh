#!/usr/bin/env bash
# Fetch what the endpoint has collected in Azure in a window of time, and show it as `amlready collected` does.
# Usage: scripts/collected.sh [OPTION...]
#   --since TIME, --until TIME  how long ago (30m, 2h, 1d) or when (2026-01-31, 2026-01-31T12:00, UTC) (1d, until now)
#   --endpoint-name NAME        another endpoint than deployment.yml says
#   --deployment-name NAME      this deployment only
#   --collection NAME           this collection only, and its rows
#   --rows, --join              show the rows; or inputs and outputs side by side
#   --datastore NAME            where it is, if not in workspaceblobstore
#   --path PATH                 in which folder of it, if not modelDataCollector/ENDPOINT
#   --into DIR                  where to keep it (.amlready/azure)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/azure.sh
source scripts/azure.sh

since=1d until='' collection='' rows='' join='' datastore=workspaceblobstore path='' into=''
options 'since: until: endpoint-name: deployment-name: collection: rows join datastore: path: into:' "$@"

# seconds TIME: since 1970.
seconds() {
    local time=${1%Z}
    if [[ $1 =~ ^([0-9]{1,5})([mhd])$ ]]; then
        case ${BASH_REMATCH[2]} in m) time=60 ;; h) time=3600 ;; d) time=86400 ;; esac
        printf '%s\n' "$(($(date +%s) - 10#${BASH_REMATCH[1]} * time))"
        return
    fi
    [[ $time == *T* ]] || time+=T00:00
    date -u -d "$time" +%s 2>/dev/null || date -u -j -f %Y-%m-%dT%H:%M "$time" +%s 2>/dev/null ||
        wrong "$1 is no time; write 2h for how long ago, or 2026-01-31T12:00"
}

# folder SECONDS FORMAT: the name that collected data of this time lies under.
folder() { date -u -d "@$1" "+$2" 2>/dev/null || date -u -r "$1" "+$2"; }

first=$(seconds "$since")
last=$(seconds "${until:-0m}")
((first <= last)) || wrong "--since is later than --until"
# Hour folders, one by one, if they are few; whole days if not.
step=3600 format=%Y/%m/%d/%H
((last - first <= 6 * step)) || step=86400 format=%Y/%m/%d
((last - first <= 400 * step)) || wrong "that is more than 400 days"
names deployment.yml
amlready=$(amlready_program)
# A window with an end is shown alone, without what was fetched for others.
into=${into:-.amlready/azure${until:+-$first-$last}}
path=${path:-modelDataCollector/$endpoint}
connect

store=$(seen datastore '[[account_name, container_name || filesystem]]' --name "$datastore")
[[ -n $store ]] || fail "the workspace has no datastore $datastore"
read -r account container <<<"$store"
mkdir -p "$into/$datastore"
say "fetching $path of $datastore into $into"
for ((time = first / step * step; time <= last; time += step)); do
    attempt az storage blob download-batch --account-name "$account" --source "$container" \
        --pattern "$path/${deployment_name:-*}/${collection:-*}/$(folder "$time" "$format")/*" \
        --destination "$into/$datastore" --overwrite true --auth-mode login --no-progress \
        --subscription "$AML_SUBSCRIPTION" --output none || failed "fetching from $container of $account"
done
"$amlready" collected "$into" --since "$since" ${until:+--until "$until"} --endpoint "$endpoint" \
    ${deployment_name:+--deployment "$deployment"} ${collection:+--collection "$collection"} ${rows:+--rows} ${join:+--join}
