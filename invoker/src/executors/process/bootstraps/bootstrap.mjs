// Forebay's bootstrap for Node: loads the handler, asks the Runtime API for events, sends back answers. Standard library only.
//
// The function shares its globals and modules with this file and may put others in their place (a patched http, JSON or console, an empty
// process.env): what is needed after its code was loaded is bound before.

import http from "node:http";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { setImmediate } from "node:timers";
import { pathToFileURL } from "node:url";

const { Error, Number, Promise, String, SyntaxError } = globalThis;
const { max } = Math;
const { parse, stringify } = JSON;
const { now } = Date;
const { request, Agent } = http;
const { statSync, writeSync } = fs;
const exit = process.exit.bind(process);
const on = process.on.bind(process);
const off = process.removeListener.bind(process);
const environment = { ...process.env };
const [host, port] = environment.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const exitCodes = { initError: 1, uncaught: 129, unsettled: 13, hostGone: 1 };

function call(method, name, body, headers = {}) {
  if (body !== undefined) headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...headers };
  return new Promise((resolve, reject) => {
    // The default agent is looked at too, and the function may have put anything in its place.
    const to = { host, port, agent, _defaultAgent: agent, method, path: `/2018-06-01/runtime/${name}`, headers };
    const calling = request(to, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    calling.on("error", reject);
    calling.end(body);
  });
}

async function post(name, body, headers) {
  const { status, text } = await call("POST", name, body, headers);
  if (status >= 300) say(`the answer was refused: ${text.trim()}`);
}

// Past a console or a standard error that the function has replaced or closed.
function say(text) {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Nobody is there to be told.
  }
}

class PlatformError extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    if (cause?.stack) this.stack = cause.stack;
  }
}

// An error as an answer, whatever its own members do when they are read.
function described(error) {
  let body;
  try {
    body = describedByItself(error);
  } catch {
    body = { errorType: "handled", errorMessage: "the error's own name, message or stack cannot be read", trace: [] };
  }
  say(`[ERROR] ${body.errorType}: ${body.errorMessage}\n${body.trace.slice(1).join("\n")}`.trimEnd());
  return body;
}

function describedByItself(error) {
  if (error === undefined || error === null) return { errorType: "string", errorMessage: "handled", trace: [] };
  const isError = error instanceof Error || (typeof error === "object" && "message" in error && "stack" in error);
  return isError
    ? { errorType: String(error.name), errorMessage: String(error.message), trace: String(error.stack).split("\n") }
    : { errorType: typeof error, errorMessage: printed(error), trace: [] };
}

function printed(value) {
  if (typeof value !== "object") return String(value);
  try {
    return stringify(value);
  } catch {
    return String(value);
  }
}

const isFile = (name) => statSync(name, { throwIfNoEntry: false })?.isFile();

// A file of this name, with or without its ending; a folder with its index.js or the main file of its package.json; a package of node_modules.
async function loadModule(folder, name) {
  const stem = path.join(folder, name);
  const require = createRequire(pathToFileURL(path.join(environment.LAMBDA_TASK_ROOT, "bootstrap.js")));
  const found = ["", ".js", ".mjs", ".cjs"].map((ending) => stem + ending).find(isFile);
  const isFolder = ["index.js", "package.json"].some((it) => isFile(path.join(stem, it)));
  const file = found ?? (isFolder ? require.resolve(stem) : require.resolve(name, { paths: [folder] }));
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
  const [file, ...steps] = path.basename(name).split(".");
  if (steps.length === 0) throw new PlatformError("Runtime.MalformedHandlerName", "Bad handler");
  let module;
  try {
    module = await loadModule(path.resolve(environment.LAMBDA_TASK_ROOT, path.dirname(name)), file);
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

// The answer of a handler. The first that it gives stands, by its promise, its callback or its context.
//
// | when nothing is left to wait for | answer |
// | --- | --- |
// | the callback was called | what it was given |
// | the handler returned a promise that is not settled | Runtime.NodeJsExit, and the end of the process |
// | neither | null, as Lambda answers for a handler that has no callback to call |
function run(handler, event, headers) {
  let onEmpty;
  const answered = new Promise((resolve, reject) => {
    let atEmpty = () => resolve(null);
    let isSaid = false;
    // Only the first one is heard.
    const once = (say) => (...values) => {
      if (isSaid) return;
      isSaid = true;
      say(...values);
    };
    const settle = (error, value) => (error === undefined || error === null ? resolve(value) : reject(error));
    const done = once(settle);
    const fail = once((error) => reject(error ?? "handled"));
    const callback = once((error, value) => {
      const hasFailed = error !== undefined && error !== null;
      if (hasFailed || !context.callbackWaitsForEmptyEventLoop) settle(error, value);
      else atEmpty = () => resolve(value);
    });
    const deadline = Number(headers["lambda-runtime-deadline-ms"]);
    const said = headers["lambda-runtime-client-context"];
    const context = {
      callbackWaitsForEmptyEventLoop: true,
      awsRequestId: headers["lambda-runtime-aws-request-id"],
      invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
      clientContext: said ? parsed(said) : undefined,
      functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
      functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
      memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
      getRemainingTimeInMillis: () => max(deadline - now(), 0),
      done,
      succeed: (value) => done(null, value),
      fail,
    };
    // What the function itself begins when nothing is left may settle its promise yet.
    onEmpty = () => setImmediate(() => atEmpty());
    on("beforeExit", onEmpty);
    uncaught = reject;
    try {
      const returned = handler(event, context, callback);
      if (typeof returned?.then === "function") {
        if (!isSaid) {
          atEmpty = () => {
            lastWords = exitCodes.unsettled;
            reject(new PlatformError("Runtime.NodeJsExit", UNSETTLED));
          };
        }
        returned.then((value) => done(null, value), fail);
      }
    } catch (error) {
      fail(error);
    }
  });
  return answered.finally(() => {
    off("beforeExit", onEmpty);
    uncaught = undefined;
  });
}

const UNSETTLED =
  "The event loop is empty and the handler's promise was never settled: " +
  "nothing that it waits for can come any more. Look for a promise whose resolve or reject is not called on every path.";

// With what code the process ends once the answer is sent; undefined while it goes on.
let lastWords;
// An error that nobody catches ends the process; the invocation that runs gets it as its answer.
let uncaught;
function die(error) {
  if (lastWords !== undefined) return;
  lastWords = exitCodes.uncaught;
  if (uncaught) uncaught(error);
  else {
    described(error);
    exit(lastWords);
  }
}
on("uncaughtException", die);
on("unhandledRejection", (reason) => {
  const message = reason instanceof Error ? `${reason.name}: ${reason.message}` : printed(reason);
  die(new PlatformError("Runtime.UnhandledPromiseRejection", message, reason));
});

async function main() {
  let handler;
  try {
    handler = await load(environment._HANDLER);
  } catch (error) {
    const body = described(error);
    await post("init/error", stringify(body), { "Lambda-Runtime-Function-Error-Type": body.errorType });
    exit(exitCodes.initError);
  }
  for (;;) {
    const { status, headers, text } = await call("GET", "invocation/next");
    if (status !== 200) exit(exitCodes.hostGone);
    const id = headers["lambda-runtime-aws-request-id"];
    let answer;
    let name = "response";
    try {
      answer = stringified(await run(handler, parsed(text), headers));
    } catch (error) {
      name = "error";
      answer = stringify(described(error));
    }
    await post(`invocation/${id}/${name}`, answer);
    if (lastWords !== undefined) exit(lastWords);
  }
}

function parsed(text) {
  try {
    return parse(text);
  } catch (error) {
    throw new PlatformError("Runtime.UnmarshalError", `Unable to unmarshal input: ${error.message}`, error);
  }
}

function stringified(answer) {
  let text;
  try {
    text = stringify(answer === undefined ? null : answer);
  } catch (error) {
    throw new PlatformError("Runtime.MarshalError", `Unable to stringify response body: ${error.message}`, error);
  }
  if (text !== undefined) return text;
  throw new PlatformError("Runtime.MarshalError", `Unable to stringify response body: a ${typeof answer} has no JSON`);
}

main().catch(() => exit(exitCodes.hostGone));
