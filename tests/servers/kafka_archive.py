"""Starts a node of Kafka once and ends it, so that Java archives the classes that it has loaded.

Run in the folder that has its libraries in lib/; writes kafka.jsa there.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.getcwd()
# So long a busy machine may take.
PATIENCE_SECONDS = 300
JAVA = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={HERE}/log4j2.properties"]
# Java takes the archive only where it is given this very path again.
CLASSES = ["-cp", f"{HERE}/lib/*"]


def free_ports():
    sockets = [socket.socket() for _ in range(2)]
    for it in sockets:
        it.bind(("127.0.0.1", 0))
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports


def properties(folder):
    port, controller = free_ports()
    return f"""process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
log.cleaner.dedupe.buffer.size=8388608
"""


def main():
    folder = tempfile.mkdtemp()
    node = None
    try:
        settings = f"{folder}/server.properties"
        with open(settings, "w") as file:
            file.write(properties(folder))
        cluster = ["-t", "AAAAAAAAAAAAAAAAAAAAAQ"]
        subprocess.run([*JAVA, *CLASSES, "kafka.tools.StorageTool", "format", *cluster, "-c", settings, "--standalone"], check=True)
        log = f"{folder}/log"
        with open(log, "w") as out:
            archive = f"-XX:ArchiveClassesAtExit={HERE}/kafka.jsa"
            node = subprocess.Popen([*JAVA, "-Xmx192m", archive, *CLASSES, "kafka.Kafka", settings], stdout=out, stderr=out)
        end = time.monotonic() + PATIENCE_SECONDS
        while "Kafka Server started" not in open(log).read():
            if node.poll() is not None or time.monotonic() > end:
                sys.exit("the node did not start:\n" + open(log).read()[-4000:])
            time.sleep(0.1)
        node.terminate()
        node.wait(PATIENCE_SECONDS)
    finally:
        if node is not None and node.poll() is None:
            node.kill()
            node.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
