import type { SendMessageRequest } from "@parley/proto/parley/v1/message_service_pb.js";
import { UserKind } from "@parley/proto/parley/v1/user_pb.js";
import type { Outcome } from "../store/committer.js";
import { StoreError } from "../store/errors.js";
import type { AppRecord } from "./apps.js";
import type { UserCaller } from "./caller.js";
import { payloadHash } from "./canonical.js";
import type { Ctx } from "./context.js";
import { DomainError, ErrorReason, invalidField } from "./errors.js";
import { screenSend } from "./filter/screen.js";
import type { WordFilter } from "./filter/word-filter.js";
import type { Send, SendJob, Sent } from "./send.js";
import { targetOf } from "./send-target.js";
import { sendTransient } from "./send-transient.js";
import { storeSends } from "./store-sends.js";
import { checkStruct } from "./struct.js";

/** Sends one message of a user; see MessageService.SendMessage. */
export async function sendMessage(ctx: Ctx, caller: UserCaller, request: SendMessageRequest): Promise<Sent> {
  const [outcome] = await sendMessages(ctx, caller, [request]);
  if (outcome === undefined) throw new Error("a send without an outcome");
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

/**
 * Sends messages of a user in order, each with its own outcome; see MessageService.SendMessages.
 * The stored ones are written by one transaction, so what fails in the store fails for all of them and their order holds.
 */
export async function sendMessages(
  ctx: Ctx,
  caller: UserCaller,
  requests: readonly SendMessageRequest[],
): Promise<Outcome<Sent>[]> {
  takeSends(ctx, caller, requests);
  const app = await ctx.apps.find(caller.appId);
  if (app === undefined) throw new Error("a caller of no app");
  const filter = await ctx.filters.find(caller.appId);
  const outcomes: (Outcome<Sent> | undefined)[] = [];
  const stored: { at: number; send: Send }[] = [];
  for (const [at, request] of requests.entries()) {
    try {
      const send = prepareSend(ctx, caller, request, filter);
      if (isTransient(request)) outcomes[at] = { ok: true, value: await sendTransient(ctx, app, caller, send) };
      else stored.push({ at, send });
    } catch (error) {
      outcomes[at] = { ok: false, error };
    }
  }
  const written = await writeSends(
    ctx,
    app,
    stored.map(({ send }) => send),
  );
  const held = new Set<string>();
  for (const [i, { at, send }] of stored.entries()) {
    const outcome = written[i];
    const lane = send.target.conversationId;
    // Once one may be tried again, those behind it must wait for it, or they would overtake it.
    outcomes[at] = held.has(lane) ? { ok: false, error: earlierFailed() } : outcome;
    if (outcome?.ok === false && outcome.error instanceof StoreError) held.add(lane);
  }
  return requests.map((_, at) => outcomes[at] ?? { ok: false, error: new Error("a send without an outcome") });
}

function earlierFailed(): DomainError {
  return new DomainError(ErrorReason.EARLIER_FAILED, "an earlier message to the same receiver may yet be stored");
}

/** Writes sends by one transaction; a failure of the store is the outcome of each. */
export async function writeSends(ctx: Ctx, app: AppRecord, sends: readonly Send[]): Promise<Outcome<Sent>[]> {
  if (sends.length === 0) return [];
  const job: SendJob = { sends, rules: app.rules, newId: ctx.newId, heard: ctx.heard.find };
  try {
    return await ctx.committer.submit(app.appId, storeSends, job, sends.length);
  } catch (error) {
    return sends.map(() => ({ ok: false, error }));
  }
}

function prepareSend(ctx: Ctx, caller: UserCaller, request: SendMessageRequest, filter: WordFilter | undefined): Send {
  if (request.content?.content.case === "notice")
    throw invalidField("content.notice", "only system messages may carry a notice");
  const target = targetOf(caller.userId, request.receiver);
  if (caller.userKind === UserKind.GUEST && target.kind !== "user")
    throw new DomainError(ErrorReason.ROLE_TOO_LOW, "guests talk to users only", { field: "receiver" });
  const send = finishSend(ctx, caller.userId, target, request);
  return filter === undefined ? send : { ...send, ...screenSend(filter, send.request) };
}

/** Checks the sizes of a send, marks its payload and gives it a key when it has none. */
export function finishSend(ctx: Ctx, senderId: string, target: Send["target"], request: SendMessageRequest): Send {
  checkSizes(ctx, request);
  const hash = payloadHash(request);
  return {
    senderId,
    target,
    keyed: request.clientMessageId !== "",
    hash,
    request: request.clientMessageId === "" ? { ...request, clientMessageId: ctx.newId() } : request,
  };
}

function checkSizes(ctx: Ctx, request: SendMessageRequest): void {
  checkStruct(ctx.limits, "attributes", request.attributes);
  const content = request.content?.content;
  if (content?.case === "custom" || content?.case === "notice")
    checkStruct(ctx.limits, `content.${content.case}.data`, content.value.data);
  // The contract bounds every other part, and all of them together stay below LIMITS.messageBytes.
}

/** Whether a send is never stored: the sender wishes it so, or it is room talk. */
function isTransient(request: SendMessageRequest): boolean {
  return request.transient || request.receiver?.peer.case === "roomId";
}

function takeSends(ctx: Ctx, caller: UserCaller, requests: readonly SendMessageRequest[]): void {
  if (caller.sessionId === undefined) {
    const rate = ctx.limits.serviceSendsPerSecond;
    ctx.buckets.take(`service-send|${caller.appId}`, rate, rate, requests.length);
  } else if (ctx.sendsPerSecond > 0) {
    const key = `send|${caller.appId}|${caller.userId}`;
    // Transient sends have a rate of their own.
    const count = requests.filter((request) => !isTransient(request)).length;
    ctx.buckets.take(key, ctx.sendsPerSecond, Math.max(ctx.sendsPerSecond, ctx.limits.sendBurstMessages), count);
  }
}
