import { timingSafeEqual } from "node:crypto";
import { findServiceKeyByHash } from "../store/apps.js";
import { findSessionByHash, touchSession } from "../store/sessions.js";
import { findUser } from "../store/users.js";
import type { Caller, UserCaller } from "./caller.js";
import type { Ctx } from "./context.js";
import { DomainError, ErrorReason, notFound } from "./errors.js";
import type { KnownServiceKey, KnownSession, KnownUser } from "./session-cache.js";
import { looksIssued, SERVICE_PREFIX, SESSION_PREFIX, tokenHash } from "./tokens.js";

/** What a call carries to prove who makes it. */
export interface Proof {
  authorization: string | undefined;
  /** The user a service key acts for. */
  actingUserId: string | undefined;
  /** The web page a browser calls from. */
  origin: string | undefined;
}

const TOUCH_MS = 3_600_000;

/** Finds out who makes a call. Without a token it is nobody; a token that is not good is refused even where none is needed. */
export async function authenticate(ctx: Ctx, proof: Proof): Promise<Caller> {
  if (proof.authorization === undefined) return { kind: "nobody" };
  const token = /^bearer +(\S+) *$/i.exec(proof.authorization)?.[1];
  if (token === undefined) throw unauthenticated("the authorization header is not of the form Bearer TOKEN");
  if (token.startsWith(SERVICE_PREFIX)) return await serviceCaller(ctx, token, proof);
  if (proof.actingUserId !== undefined) throw unauthenticated("parley-acting-user goes with a service key only");
  if (token.startsWith(SESSION_PREFIX)) return await sessionCaller(ctx, token);
  // Hashes have one length whatever the tokens, and comparing them takes one time.
  if (timingSafeEqual(Buffer.from(tokenHash(token), "hex"), ctx.operatorTokenHash)) return { kind: "operator" };
  throw unauthenticated("the token is not good");
}

async function sessionCaller(ctx: Ctx, token: string): Promise<UserCaller> {
  const key = tokenHash(token);
  const cached = ctx.sessions.find(key);
  const session = cached?.kind === "session" ? cached : await lookUpSession(ctx, key);
  if (session === undefined) throw looksIssued(token) ? ended() : unauthenticated("the session token is not good");
  const nowMs = ctx.clock.now();
  if (session.expireMs <= nowMs) throw ended();
  if (nowMs - session.usedMs > TOUCH_MS) touch(ctx, session, nowMs);
  const { appId, userId, userKind, id } = session;
  return { kind: "user", appId, userId, userKind, sessionId: id };
}

async function lookUpSession(ctx: Ctx, key: string): Promise<KnownSession | undefined> {
  const mark = ctx.sessions.mark();
  const row = await findSessionByHash(ctx.read, key);
  if (row === undefined) return undefined;
  const session: KnownSession = {
    kind: "session",
    appId: row.app_id,
    id: row.session_id,
    userId: row.user_id,
    userKind: row.user_kind,
    usedMs: row.used_ms,
    expireMs: row.expire_ms,
  };
  ctx.sessions.keep(mark, key, session);
  return session;
}

/** Notes that a session is in use. The call does not wait for it; when it fails, the next look-up finds the old time and tries again. */
function touch(ctx: Ctx, session: KnownSession, nowMs: number): void {
  session.usedMs = nowMs;
  session.expireMs = nowMs + ctx.times.sessionMs;
  ctx.committer
    .run(session.appId, async (tx) => await touchSession(tx, session.id, tx.nowMs + ctx.times.sessionMs))
    .catch(() => undefined);
}

async function serviceCaller(ctx: Ctx, token: string, proof: Proof): Promise<Caller> {
  if (proof.origin !== undefined)
    throw unauthenticated("a service key is not for browsers: it must stay on the backend");
  const key = tokenHash(token);
  const cached = ctx.sessions.find(key);
  const { appId, id } = cached?.kind === "service" ? cached : await lookUpServiceKey(ctx, key);
  if (proof.actingUserId === undefined) return { kind: "service", appId, serviceKeyId: id };
  const user = await actingUser(ctx, appId, proof.actingUserId);
  return { kind: "user", appId, userId: user.id, userKind: user.userKind, sessionId: undefined };
}

async function lookUpServiceKey(ctx: Ctx, key: string): Promise<KnownServiceKey> {
  const mark = ctx.sessions.mark();
  const row = await findServiceKeyByHash(ctx.read, key);
  if (row === undefined) throw unauthenticated("the service key is not good");
  const known: KnownServiceKey = { kind: "service", appId: row.app_id, id: row.service_key_id };
  ctx.sessions.keep(mark, key, known);
  return known;
}

async function actingUser(ctx: Ctx, appId: string, userId: string): Promise<KnownUser> {
  const key = `user|${appId}|${userId}`;
  const cached = ctx.sessions.find(key);
  if (cached?.kind === "user") return cached;
  const mark = ctx.sessions.mark();
  const row = await findUser(ctx.read, appId, userId);
  if (row === undefined) throw notFound("user", "parley-acting-user");
  const known: KnownUser = { kind: "user", appId, id: userId, userKind: row.kind };
  ctx.sessions.keep(mark, key, known);
  return known;
}

function ended(): DomainError {
  return new DomainError(ErrorReason.SESSION_REVOKED, "the session was logged out, revoked or has expired");
}

function unauthenticated(message: string): DomainError {
  return new DomainError(ErrorReason.UNAUTHENTICATED, message);
}
