#!/usr/bin/env python3
"""What a team's own script does with AWS, unchanged: a function, a queue with a dead-letter queue, a mapping, orders, and a look at the logs.

It goes where AWS's own variables say: AWS_ENDPOINT_URL for everything, AWS_ENDPOINT_URL_LAMBDA for functions and mappings.
"""

import io
import json
import pathlib
import sys
import time
import zipfile

import boto3

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE = 60
ORDERS = 100
aws_lambda, sqs, iam, logs = (boto3.client(name) for name in ("lambda", "sqs", "iam", "logs"))


def main():
    deploy_function()
    queue, dead = make_queues()
    mapping = aws_lambda.create_event_source_mapping(
        EventSourceArn=arn_of(queue),
        FunctionName="ship",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 4},
    )
    uuid = mapping["UUID"]
    until("the mapping to run", lambda: aws_lambda.get_event_source_mapping(UUID=uuid)["State"] == "Enabled")
    say(f"mapping {uuid} runs: orders to ship")
    send(queue, ORDERS)
    until("the orders", lambda: (count(queue), count(dead)) == (0, 5))
    # Of what a function prints MiniStack logs only what came in a quarter of a second: on a busy machine some lines are missing.
    until("the logs", shipped)
    say(f"{ORDERS - count(dead)} orders shipped, {count(dead)} without an address in orders-dead")
    off = aws_lambda.update_event_source_mapping(UUID=uuid, Enabled=False)
    say(f"disabled: {off['State']}")
    until("the mapping to stand still", lambda: aws_lambda.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    aws_lambda.delete_event_source_mapping(UUID=uuid)
    until("the mapping's end", lambda: not aws_lambda.list_event_source_mappings()["EventSourceMappings"])
    say("the mapping is deleted")


def deploy_function():
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="shipper", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as it:
        it.write(HERE / "code" / "app.py", "app.py")
    function = aws_lambda.create_function(
        FunctionName="ship", Runtime="python3.11", Handler="app.handler", Role=role, Timeout=3, Code={"ZipFile": code.getvalue()}
    )
    say(f"function deployed: {function['FunctionArn']}")


def make_queues():
    dead = sqs.create_queue(QueueName="orders-dead")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": arn_of(dead), "maxReceiveCount": 3})
    queue = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "4", "RedrivePolicy": redrive})["QueueUrl"]
    return queue, dead


def arn_of(queue):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def send(queue, n):
    """Every twentieth order has no address."""
    orders = [{"order": it, "address": "" if it % 20 == 0 else "1 High Street"} for it in range(n)]
    for first in range(0, n, 10):
        entries = [{"Id": str(it["order"]), "MessageBody": json.dumps(it)} for it in orders[first : first + 10]]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    say(f"{n} orders sent")


def count(queue):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(int(it) for it in sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"].values())


def shipped():
    """Orders that the function has told of, each once."""
    events = logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/ship")
    lines = (line for page in events for event in page["events"] for line in event["message"].splitlines())
    return {line.split("shipped order ")[1] for line in lines if "shipped order " in line}


def until(what, state):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if state():
            return
        time.sleep(0.2)
    sys.exit(f"waited {PATIENCE} s for {what}")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
