import { PushEnvironment } from "@parley/proto/parley/v1/installation_pb.js";
import type { Limits, Times } from "../limits.js";
import type { Clock, Timer } from "../ops/clock.js";
import type { Logger } from "../ops/logger.js";
import type { Push, PushCredentials, PushOutcome, PushSender, PushTarget } from "../ports.js";
import { findSealedPushCredential, listPushCredentialKeys, type PushSecret } from "../store/push-credentials.js";
import type { Db } from "../store/schema.js";
import { createApns } from "./apns.js";
import { createFcm } from "./fcm.js";
import { codeOf, type Provider } from "./provider.js";

export interface PushSenderOptions {
  read: Db;
  /** Opens what is sealed of a credential. */
  unseal(sealed: Uint8Array): Buffer;
  clock: Clock;
  logger: Logger;
  limits: Pick<Limits, "pushAnswerBytes">;
  times: Pick<Times, "pushMs" | "pushIdleMs">;
  /** Where Apple and Google are, when it is not where they are for everybody. */
  apnsUrl: URL | undefined;
  fcmUrl: URL | undefined;
  /** What Apple's certificate is checked with, in PEM, instead of the well-known authorities. */
  ca: string | undefined;
}

/** A way to a provider that is open, or being opened. */
interface Way {
  /** Undefined when the credential cannot be used; it rejects when the store cannot be read. */
  provider: Promise<Provider | undefined>;
  /** Closes it when it has not been used for long. */
  idle: Timer | undefined;
  underWay: number;
  /** Nobody new takes it; it is closed when the last push on it is over. */
  left: boolean;
}

const TIME_OUT: PushOutcome = { kind: "later", reason: "time-out" };
const CLOSED: PushOutcome = { kind: "later", reason: "closed" };

/** What another process has changed of the credentials. */
interface Renewed {
  /** Takes over what is stored by now, and gives the apps of which a credential was set. */
  renew(): Promise<string[]>;
}

/** The sender for all apps. A way is opened by the first push that takes it, and one that has failed to answer is opened anew. */
export async function createPushSender(options: PushSenderOptions): Promise<PushSender & PushCredentials & Renewed> {
  const { clock, times, logger } = options;
  /** The credentials of each app, each with what is another after a change; undefined when it was set here. */
  const held = new Map<string, Map<string, string | undefined>>();
  const ways = new Map<string, Way>();
  /** Of the pushes under way: answers each as if the provider had gone. */
  const ends = new Set<() => void>();
  let closed = false;

  const hold = (appId: string, key: CredentialKey, version?: string) => {
    const keys = held.get(appId) ?? new Map<string, string | undefined>();
    held.set(appId, keys.set(keyText(key), version));
  };
  const drop = (appId: string, key: CredentialKey) => {
    const keys = held.get(appId);
    keys?.delete(keyText(key));
    if (keys?.size === 0) held.delete(appId);
    leaveAll(appId, key);
  };
  const renew = async (): Promise<string[]> => {
    const stored = await listPushCredentialKeys(options.read);
    const changed = new Set<string>();
    const there = new Set<string>();
    for (const { app_id, version, ...key } of stored) {
      there.add(wayName(app_id, key));
      if (held.get(app_id)?.get(keyText(key)) === version) continue;
      hold(app_id, key, version);
      leaveAll(app_id, key);
      changed.add(app_id);
    }
    for (const [appId, keys] of [...held])
      for (const text of [...keys.keys()]) if (!there.has(`${appId}/${text}`)) drop(appId, keyOf(text));
    return [...changed];
  };

  const leave = (name: string) => {
    const way = ways.get(name);
    if (way === undefined) return;
    ways.delete(name);
    way.idle?.cancel();
    way.left = true;
    if (way.underWay === 0) void shut(way);
  };
  /** A credential for every environment may have opened a way to each. */
  const leaveAll = (appId: string, { provider }: CredentialKey) => {
    for (const environment of ENVIRONMENTS) leave(wayName(appId, { provider, environment }));
  };

  const open = async (appId: string, target: PushTarget, key: CredentialKey): Promise<Provider | undefined> => {
    const sealed = await findSealedPushCredential(options.read, appId, key);
    try {
      if (sealed === undefined) return undefined;
      return createProvider(JSON.parse(options.unseal(sealed).toString()) as PushSecret, target.environment, options);
    } catch (error) {
      logger.error({ err: error, appId, ...key }, "a push credential cannot be used");
      return undefined;
    }
  };

  const take = (appId: string, target: PushTarget, key: CredentialKey): Way => {
    const name = wayName(appId, target);
    const known = ways.get(name);
    if (known !== undefined) return known;
    const way: Way = { provider: open(appId, target, key), idle: undefined, underWay: 0, left: false };
    ways.set(name, way);
    // One that cannot be opened is tried again by the next push.
    const retry = () => ways.get(name) === way && leave(name);
    void way.provider.then((provider) => provider ?? retry(), retry);
    return way;
  };

  const hand = async (appId: string, target: PushTarget, push: Push): Promise<PushOutcome> => {
    const key = chooseKey(held.get(appId), target);
    if (key === undefined) return { kind: "no_credential", reason: "no credential is set" };
    const way = take(appId, target, key);
    way.idle?.cancel();
    way.underWay += 1;
    try {
      return await inTime(async (overdue) => {
        const provider = await way.provider;
        if (provider === undefined) return { kind: "no_credential", reason: "the credential cannot be used" };
        return await provider.send(target.token, push, overdue);
      });
    } finally {
      way.underWay -= 1;
      if (way.underWay === 0 && way.left) void shut(way);
      else if (way.underWay === 0) way.idle = clock.setTimer(() => leave(wayName(appId, target)), times.pushIdleMs);
    }
  };

  /** What a provider answers, or that its time is over, or that this sender has ended. */
  const inTime = async (ask: (overdue: AbortSignal) => Promise<PushOutcome>): Promise<PushOutcome> => {
    const overdue = new AbortController();
    return await new Promise<PushOutcome>((resolve) => {
      const settle = (outcome: PushOutcome) => {
        timer.cancel();
        ends.delete(end);
        resolve(outcome);
      };
      const end = () => {
        settle(CLOSED);
        overdue.abort();
      };
      const timer = clock.setTimer(
        () => {
          settle(TIME_OUT);
          overdue.abort();
        },
        times.pushMs,
        { keepAlive: true },
      );
      ends.add(end);
      ask(overdue.signal).then(settle, (error: unknown) => settle(failed(error)));
    });
  };

  for (const { app_id, version, ...key } of await listPushCredentialKeys(options.read)) hold(app_id, key, version);

  return {
    canPush: (appId) => held.has(appId),
    send: async (appId, target, push) => (closed ? CLOSED : await hand(appId, target, push)),
    set(appId, key) {
      hold(appId, key);
      leaveAll(appId, key);
    },
    remove: drop,
    renew,
    async close() {
      closed = true;
      const open = [...ways.values()];
      for (const name of [...ways.keys()]) leave(name);
      for (const end of [...ends]) end();
      await Promise.all(open.map(shut));
    },
  };
}

type CredentialKey = Pick<PushTarget, "provider" | "environment">;

const { UNSPECIFIED, PRODUCTION, SANDBOX } = PushEnvironment;
const ENVIRONMENTS = [UNSPECIFIED, PRODUCTION, SANDBOX];

const keyText = ({ provider, environment }: CredentialKey): string => `${provider}/${environment}`;
function keyOf(text: string): CredentialKey {
  const [provider, environment] = text.split("/").map(Number);
  return { provider: provider ?? 0, environment: environment ?? 0 };
}
const wayName = (appId: string, key: CredentialKey): string => `${appId}/${keyText(key)}`;

/** The credential that serves a target: its environment's own, or one for every environment. */
function chooseKey(
  keys: ReadonlyMap<string, unknown> | undefined,
  { provider, environment }: PushTarget,
): CredentialKey | undefined {
  return [environment, UNSPECIFIED]
    .map((each) => ({ provider, environment: each }))
    .find((key) => keys?.has(keyText(key)) === true);
}

function createProvider(secret: PushSecret, environment: number, options: PushSenderOptions): Provider {
  const { clock, times, limits, apnsUrl, fcmUrl, ca } = options;
  const common = { clock, timeoutMs: times.pushMs, answerBytes: limits.pushAnswerBytes };
  if (secret.kind === "fcm") return createFcm(secret, { ...common, url: fcmUrl });
  return createApns(secret, { ...common, url: apnsUrl, ca, production: environment !== SANDBOX });
}

async function shut({ provider }: Way): Promise<void> {
  const open = await provider.catch(() => undefined);
  open?.close();
}

/** What was thrown instead of an answer: the provider could not be reached, or the connection broke. */
function failed(error: unknown): PushOutcome {
  return { kind: "later", reason: codeOf(error) ?? "no answer" };
}
