#!/bin/sh
# Fetches the servers that the end-to-end tests run against, from Maven, under $HOME/.cache/forebay/servers/<name>-<version>/.
# Does nothing where they are there. Needs Java 17 and Maven.
set -eu

servers=$HOME/.cache/forebay/servers
say() { echo "servers: $*" >&2; }

need() {
    missing=
    command -v java >/dev/null || missing="$missing default-jre-headless"
    command -v mvn >/dev/null || missing="$missing maven"
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        say "installing$missing"
        apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
    else
        say "please run: sudo apt-get install -y --no-install-recommends$missing"
        exit 1
    fi
}

# maven NAME GROUP ARTIFACT VERSION: the artifact and what it needs, in lib/.
maven() {
    folder=$servers/$1-$4
    [ -f "$folder/complete" ] && return 0
    need
    say "fetching $1 $4"
    rm -rf "$folder"
    mkdir -p "$folder"
    cat >"$folder/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>$1</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency><groupId>$2</groupId><artifactId>$3</artifactId><version>$4</version></dependency></dependencies>
</project>
POM
    (cd "$folder" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime >mvn.log 2>&1) || {
        tail -n 40 "$folder/mvn.log" >&2; exit 1
    }
    touch "$folder/complete"
    say "$1 $4 is ready"
}

maven elasticmq org.elasticmq elasticmq-server_2.13 1.7.1
