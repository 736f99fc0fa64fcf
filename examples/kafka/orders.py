#!/usr/bin/env python3
"""Makes the topic, writes orders to it and shows its group, with Kafka's own tools.

usage: orders.py create | orders.py send N | orders.py group
The server is that of KAFKA_SERVER, else 127.0.0.1:9092.
"""

import json
import os
import pathlib
import subprocess
import sys

SERVER = os.environ.get("KAFKA_SERVER", "127.0.0.1:9092")
TOOLS = pathlib.Path.home() / ".cache/forebay/servers/kafka-tools-4.3.1"
TOPIC = "orders"
GROUP = "orders"
N_CUSTOMERS = 20
POISON = 137


def tool(name, *words, given=""):
    """Runs one of Kafka's tools to its end; what it said."""
    java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=OFF", "-cp", f"{TOOLS}/lib/*"]
    words = [*java, f"org.apache.kafka.tools.{name}", "--bootstrap-server", SERVER, *words]
    ended = subprocess.run(words, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode != 0:
        sys.exit(f"{name} failed:\n{ended.stdout}")
    return ended.stdout


def create():
    tool("TopicCommand", "--create", "--topic", TOPIC, "--partitions", "2")


def order(n):
    """One of them has no sum."""
    return {"kind": "order", "order": n, "customer": f"customer-{n % N_CUSTOMERS:02}", "cents": None if n == POISON else 995 + 17 * n % 4000}


def send(n_orders):
    """A line for each: the key, a tab, the value. Each customer's orders are in one partition as they were made."""
    made = (order(n) for n in range(n_orders))
    lines = "".join(f"{it['customer']}\t{json.dumps(it)}\n" for it in made)
    tool("ConsoleProducer", "--topic", TOPIC, "--reader-property", "parse.key=true", given=lines)


def group():
    """The group that hears how far the mapping is, as operators see it."""
    return tool("consumer.group.ConsumerGroupCommand", "--describe", "--group", GROUP)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words == ["create"]:
        create()
    elif words[:1] == ["send"] and len(words) == 2:
        send(int(words[1]))
    elif words == ["group"]:
        print(group(), end="")
    else:
        sys.exit(__doc__)
