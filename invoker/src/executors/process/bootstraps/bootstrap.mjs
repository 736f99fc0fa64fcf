// Forebay's bootstrap for Node: loads the handler, asks the Runtime API for events, sends back answers. Standard library only.

import http from "node:http";
import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const exitCodes = { initError: 1, uncaught: 129, hostGone: 1 };

function call(method, name, body, headers = {}) {
  if (body !== undefined) headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...headers };
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/${name}`, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function post(name, body, headers) {
  const { status, text } = await call("POST", name, body, headers);
  if (status >= 300) console.error(`the answer was refused: ${text.trim()}`);
}

class PlatformError extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    if (cause?.stack) this.stack = cause.stack;
  }
}

function described(error) {
  const isError = error instanceof Error || (typeof error === "object" && error !== null && "message" in error && "stack" in error);
  const body = isError
    ? { errorType: String(error.name), errorMessage: String(error.message), trace: String(error.stack).split("\n") }
    : { errorType: error === null ? "null" : typeof error, errorMessage: printed(error), trace: [] };
  console.error(`[ERROR] ${body.errorType}: ${body.errorMessage}\n${body.trace.slice(1).join("\n")}`.trimEnd());
  return body;
}

function printed(value) {
  if (typeof value !== "object") return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return String(value);
  }
}

async function loadModule(stem) {
  const require = createRequire(pathToFileURL(path.join(process.env.LAMBDA_TASK_ROOT, "bootstrap.js")));
  const file = ["", ".js", ".mjs", ".cjs"].map((ending) => stem + ending).find((it) => fs.statSync(it, { throwIfNoEntry: false })?.isFile());
  if (file === undefined) throw new PlatformError("Runtime.ImportModuleError", `Error: Cannot find module '${path.basename(stem)}'`);
  if (file.endsWith(".mjs")) return import(pathToFileURL(file));
  try {
    return require(file);
  } catch (error) {
    // A module in the new form under the old ending.
    if (!["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE"].includes(error?.code)) throw error;
    return import(pathToFileURL(file));
  }
}

async function load(name) {
  const folder = path.dirname(name);
  const [file, ...steps] = path.basename(name).split(".");
  if (steps.length === 0) throw new PlatformError("Runtime.MalformedHandlerName", "Bad handler");
  let module;
  try {
    module = await loadModule(path.resolve(process.env.LAMBDA_TASK_ROOT, folder, file));
  } catch (error) {
    if (error instanceof SyntaxError) throw new PlatformError("Runtime.UserCodeSyntaxError", error.toString(), error);
    if (["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(error?.code)) {
      throw new PlatformError("Runtime.ImportModuleError", error.toString(), error);
    }
    throw error;
  }
  const find = (from) => steps.reduce((at, step) => at?.[step], from);
  const handler = find(module) ?? find(module.default);
  if (handler === undefined) throw new PlatformError("Runtime.HandlerNotFound", `${name} is undefined or not exported`);
  if (typeof handler !== "function") throw new PlatformError("Runtime.HandlerNotFound", `${name} is not a function`);
  return handler;
}

// The answer of a handler: by its promise, by its callback, or, when nothing is left to wait for, null.
function run(handler, event, headers) {
  return new Promise((resolve, reject) => {
    const settle = { done: (error, value) => (error === undefined || error === null ? resolve(value) : reject(error)) };
    const onEmpty = () => settle.later?.() ?? resolve(null);
    process.once("beforeExit", onEmpty);
    const over = () => process.removeListener("beforeExit", onEmpty);
    const deadline = Number(headers["lambda-runtime-deadline-ms"]);
    const context = {
      callbackWaitsForEmptyEventLoop: true,
      awsRequestId: headers["lambda-runtime-aws-request-id"],
      invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
      functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
      functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
      memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
      getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
      done: (error, value) => callback(error, value),
      succeed: (value) => settle.done(null, value),
      fail: (error) => settle.done(error ?? "handled"),
    };
    const callback = (error, value) => {
      const answer = () => settle.done(error, value);
      // An error does not wait; the first answer stands.
      if (error !== undefined && error !== null) answer();
      else if (context.callbackWaitsForEmptyEventLoop) settle.later ??= () => (answer(), true);
      else answer();
    };
    uncaught = (error) => (reject(error), over());
    try {
      const returned = handler(event, context, callback);
      if (typeof returned?.then === "function") returned.then(resolve, reject);
    } catch (error) {
      reject(error);
    }
  });
}

// An error that nobody catches ends the process; the invocation that runs gets it as its answer.
let uncaught;
let dying = false;
function die(error) {
  if (dying) return;
  dying = true;
  if (uncaught) uncaught(error);
  else {
    described(error);
    process.exit(exitCodes.uncaught);
  }
}
process.on("uncaughtException", die);
process.on("unhandledRejection", (reason) => {
  const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : printed(reason);
  die(new PlatformError("Runtime.UnhandledPromiseRejection", message, reason));
});

async function main() {
  let handler;
  try {
    handler = await load(process.env._HANDLER);
  } catch (error) {
    const body = described(error);
    await post("init/error", JSON.stringify(body), { "Lambda-Runtime-Function-Error-Type": body.errorType });
    process.exit(exitCodes.initError);
  }
  for (;;) {
    const { status, headers, text } = await call("GET", "invocation/next");
    if (status !== 200) process.exit(exitCodes.hostGone);
    const id = headers["lambda-runtime-aws-request-id"];
    let answer;
    let name = "response";
    try {
      answer = await run(handler, parsed(text), headers);
      answer = stringified(answer);
    } catch (error) {
      name = "error";
      answer = JSON.stringify(described(error));
    }
    uncaught = undefined;
    process.removeAllListeners("beforeExit");
    await post(`invocation/${id}/${name}`, answer);
    if (dying) process.exit(exitCodes.uncaught);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PlatformError("Runtime.UnmarshalError", `Unable to unmarshal input: ${error.message}`, error);
  }
}

function stringified(answer) {
  try {
    return JSON.stringify(answer) ?? "null";
  } catch (error) {
    throw new PlatformError("Runtime.MarshalError", `Unable to stringify response body: ${error.message}`, error);
  }
}

main().catch(() => process.exit(exitCodes.hostGone));
