import type {
  DescMessage,
  DescMethod,
  DescMethodUnary,
  DescService,
  Message,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import { authenticate } from "../domain/authenticate.js";
import type { Caller } from "../domain/caller.js";
import type { Ctx } from "../domain/context.js";
import { DomainError, ErrorReason } from "../domain/errors.js";
import { LOST_HISTORY } from "../domain/list-events.js";
import { takeChange } from "../domain/take-change.js";
import type { Load, LoadLevel } from "../ops/load.js";
import type { Logger } from "../ops/logger.js";
import type { Metrics } from "../ops/metrics.js";
import { codeName, type WireError, wireError } from "./errors.js";
import { surelyValid } from "./fast-rules.js";
import { checkValues } from "./value-check.js";
import { violationError } from "./violations.js";

/** What is known of a call besides its request. */
export interface CallFacts {
  header(name: string): string | undefined;
  /** Names the call in logs and errors. */
  requestId: string;
  /** The address of the client. */
  address: string;
  /** The address of this server, as the client knows it. */
  baseUrl(): string;
  /** Whether the answer is sure to be binary, not JSON. */
  binary: boolean;
  /** Why the call is refused before anything of it is looked at. */
  refusal: DomainError | undefined;
  signal: AbortSignal;
}

/** A call that was let in. */
export interface Call {
  caller: Caller;
  address: string;
  /** The address of this server for the caller, without a slash at its end. */
  baseUrl: string;
  requestId: string;
  /** Whether the answer is sure to be binary, not JSON. */
  binary: boolean;
  signal: AbortSignal;
}

/** The implementation of a service's unary calls: the caller is known and the request is valid. */
export type Handlers<S extends DescService> = {
  [K in keyof S["method"] as S["method"][K] extends DescMethodUnary ? K : never]: (
    call: Call,
    request: MessageShape<S["method"][K]["input"]>,
  ) => Promise<MessageInitShape<S["method"][K]["output"]>>;
};

/** The one way into the rules: every call, whatever its protocol, is authenticated, checked, measured and logged here. */
export interface Funnel {
  /** Authenticates and checks a call, or throws. */
  admit<M extends DescMethod>(method: M, request: MessageShape<M["input"]>, facts: CallFacts): Promise<Call>;
  /** Runs one call from admission to the end and counts it. What it throws is a WireError. */
  run<M extends DescMethod, T>(
    method: M,
    request: MessageShape<M["input"]>,
    facts: CallFacts,
    work: (call: Call) => Promise<T>,
  ): Promise<T>;
  /** Counts a call that was answered, with its time since it began. */
  succeed(method: DescMethod, beganMs: number): void;
  /** Counts and logs a failure and gives its wire form. */
  fail(method: DescMethod, error: unknown, requestId: string): WireError;
  /** Raises the alarm that a client holds events that this server has lost. */
  tellLostHistory(method: DescMethod, requestId: string): void;
}

export function createFunnel(deps: { ctx: Ctx; logger: Logger; metrics: Metrics; load: Load }): Funnel {
  const { ctx, logger, metrics, load } = deps;
  // The engine's own expressions: the library's default is a slower one that also bounds hostile patterns, and these are ours.
  const validator = createValidator({ regexMatch: createRegexMatch() });

  const admit: Funnel["admit"] = async (method, request, facts) => {
    const { requestId } = facts;
    try {
      if (facts.refusal !== undefined) throw facts.refusal;
      shed(method);
      const caller = await authenticate(ctx, {
        authorization: facts.header("authorization"),
        actingUserId: facts.header("parley-acting-user"),
        origin: facts.header("origin"),
      });
      if (!surelyValid(method.input, request)) validate(method.input, request);
      checkValues(method.input, request);
      if (isChange(method)) takeChange(ctx, caller);
      return {
        caller,
        address: facts.address,
        requestId,
        binary: facts.binary,
        get baseUrl() {
          return ctx.publicUrl ?? facts.baseUrl();
        },
        // Asked for by few, and costly to make.
        get signal() {
          return facts.signal;
        },
      };
    } catch (error) {
      throw fail(method, error, requestId);
    }
  };

  const validate = (schema: DescMessage, request: Message) => {
    const result = validator.validate(schema, request);
    if (result.kind === "invalid") throw violationError(result.violations);
    if (result.kind === "error") throw result.error;
  };

  /** Puts off what would add to the work of a server that is behind it; what is under way goes on. */
  const shed = (method: DescMethod) => {
    if (!PUT_OFF[load.level()].includes(method.name) || load.letIn()) return;
    metrics.shed.inc({ method: nameOf(method) });
    const retryDelayMs = load.comeBackMs();
    throw new DomainError(ErrorReason.SERVER_BUSY, "the server has too much to do just now", { retryDelayMs });
  };

  const fail: Funnel["fail"] = (method, error, requestId) => {
    const failure = wireError(error, requestId);
    const name = nameOf(method);
    metrics.rpcs.inc({ method: name, code: codeName(failure.code) });
    if (failure.detail.metadata.cause === LOST_HISTORY) tellLostHistory(method, requestId);
    if (failure.unexpected) logger.error({ err: error, method: name, requestId }, "call failed");
    else logger.debug({ method: name, requestId, reason: failure.detail.reason }, "call refused");
    return failure;
  };

  const tellLostHistory: Funnel["tellLostHistory"] = (method, requestId) => {
    metrics.historyChanged.inc();
    logger.error({ method: nameOf(method), requestId }, "a client holds events that this server has lost");
  };

  const succeed: Funnel["succeed"] = (method, beganMs) => {
    const name = nameOf(method);
    metrics.rpcs.inc({ method: name, code: "ok" });
    metrics.rpcSeconds.observe({ method: name, code: "ok" }, (performance.now() - beganMs) / 1000);
  };

  const run: Funnel["run"] = async (method, request, facts, work) => {
    const began = performance.now();
    const call = await admit(method, request, facts);
    try {
      const answer = await work(call);
      succeed(method, began);
      return answer;
    } catch (error) {
      throw fail(method, error, call.requestId);
    }
  };

  return { admit, run, succeed, fail, tellLostHistory };
}

/** What is refused at each level of load. */
const PUT_OFF: Record<LoadLevel, readonly string[]> = {
  calm: [],
  busy: ["Subscribe"],
  flooded: ["Subscribe", "Login", "CreateAccount", "RequestSmsCode"],
};

/** Whether a method changes what is stored. Sends and acknowledgements, which are many by nature, have measures of their own. */
function isChange(method: DescMethod): boolean {
  return (
    method.idempotency !== Idempotency.NO_SIDE_EFFECTS && method.methodKind === "unary" && !MEASURED.has(method.name)
  );
}

const MEASURED = new Set([
  "SendMessage",
  "SendMessages",
  "SetTyping",
  "AckEvents",
  "Login",
  "CreateAccount",
  "RequestSmsCode",
  "Logout",
]);

function createRegexMatch(): (pattern: string, text: string) => boolean {
  const compiled = new Map<string, RegExp>();
  return (pattern, text) => {
    let expression = compiled.get(pattern);
    if (expression === undefined) {
      expression = new RegExp(pattern, "u");
      compiled.set(pattern, expression);
    }
    return expression.test(text);
  };
}

function nameOf(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
