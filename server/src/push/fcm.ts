import { createHash, createPrivateKey } from "node:crypto";
import { SignJWT } from "jose";
import type { Push, PushOutcome } from "../ports.js";
import type { PushSecret } from "../store/push-credentials.js";
import { type FcmAnswer, fcmOutcome, grantOutcome } from "./fcm-outcome.js";
import { type Provider, type ProviderOptions, retryAfterMs } from "./provider.js";

export interface FcmOptions extends ProviderOptions {
  /** Where both of Google's services are instead of at Google. */
  url: URL | undefined;
}

type FcmSecret = Extract<PushSecret, { kind: "fcm" }>;

// The file of a service account names these too. It is the app's, who must not choose whom the server talks to (ADR 19, 22).
const GRANTS = "https://oauth2.googleapis.com/token";
const MESSAGES = "https://fcm.googleapis.com";
const SCOPE = "https://www.googleapis.com/auth/firebase.messaging";

const ASSERTION_SECONDS = 3600;
/** An access token is given up so long before its end. */
const MARGIN_MS = 60_000;
const LEAST_LIFE_MS = 1_000;
/** The longest that Google keeps a message. */
const MOST_TTL_SECONDS = 28 * 86_400;

type Grant = { token: string; untilMs: number } | PushOutcome;

/** The way to Google by the HTTP v1 API, with an access token that is kept while it lasts. */
export function createFcm(secret: FcmSecret, options: FcmOptions): Provider {
  const { clock, url } = options;
  const key = createPrivateKey(secret.key);
  const messages = new URL(`/v1/projects/${encodeURIComponent(secret.projectId)}/messages:send`, url ?? MESSAGES);
  let grant: Promise<Grant> | undefined;

  const post = async (
    to: URL,
    headers: Record<string, string>,
    body: string,
    signal: AbortSignal,
  ): Promise<FcmAnswer> => {
    const response = await fetch(to, { method: "POST", headers, body, signal, redirect: "error" });
    const text = await readAtMost(response, options.answerBytes);
    const delayMs = retryAfterMs(response.headers.get("retry-after"), clock.now());
    return { status: response.status, body: parse(text), delayMs };
  };

  const ask = async (overdue: AbortSignal): Promise<Grant> => {
    const nowSeconds = Math.floor(clock.now() / 1000);
    const assertion = await new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: "RS256", typ: "JWT", ...(secret.keyId !== "" && { kid: secret.keyId }) })
      .setIssuer(secret.clientEmail)
      .setAudience(GRANTS)
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + ASSERTION_SECONDS)
      .sign(key);
    const form = new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const to = url === undefined ? new URL(GRANTS) : new URL("/token", url);
    const answer = await post(to, headers, form.toString(), overdue);
    const { access_token: token, expires_in: seconds } = (answer.body ?? {}) as Record<string, unknown>;
    if (answer.status !== 200 || typeof token !== "string") return grantOutcome(answer);
    const lifeMs = Number.isFinite(Number(seconds)) ? Number(seconds) * 1000 - MARGIN_MS : 0;
    return { token, untilMs: clock.mono() + Math.max(LEAST_LIFE_MS, lifeMs) };
  };

  const begin = (overdue: AbortSignal): Promise<Grant> => {
    const asked = ask(overdue);
    const forget = () => {
      if (grant === asked) grant = undefined;
    };
    const settled = () => overdue.removeEventListener("abort", forget);
    overdue.addEventListener("abort", forget);
    void asked.then((answer) => "token" in answer || forget(), forget).then(settled);
    return asked;
  };

  /** The access token in force. One that is asked for is shared by all who wait; a failure is not kept. */
  const granted = async (overdue: AbortSignal): Promise<Grant> => {
    for (;;) {
      grant ??= begin(overdue);
      const current = grant;
      const answer = await current;
      if (!("token" in answer) || answer.untilMs > clock.mono()) return answer;
      if (grant === current) grant = undefined;
    }
  };

  return {
    async send(token, push, overdue) {
      const body = JSON.stringify({ message: messageOf(token, push, clock.now()) });
      for (let tries = 1; ; tries += 1) {
        const access = await granted(overdue);
        if (!("token" in access)) return access;
        const headers = { "content-type": "application/json", authorization: `Bearer ${access.token}` };
        const outcome = fcmOutcome(await post(messages, headers, body, overdue));
        if (outcome.kind !== "no_credential" || outcome.reason !== "UNAUTHENTICATED") return outcome;
        // The token was taken back before its time, so another is asked for, once.
        access.untilMs = 0;
        if (tries === 2) return outcome;
      }
    },
    // A connection ends with the push it is for, or by itself when it is idle.
    close: () => undefined,
  };
}

function messageOf(token: string, push: Push, nowMs: number) {
  const silent = push.title === "" && push.body === "";
  const seconds = Math.min(MOST_TTL_SECONDS, Math.max(0, Math.floor((push.expireMs - nowMs) / 1000)));
  const collapse = shortText(push.collapseId);
  return {
    token,
    data: { parley: JSON.stringify(push.data) },
    ...(!silent && { notification: { ...(push.title !== "" && { title: push.title }), body: push.body } }),
    android: {
      collapse_key: collapse,
      priority: silent ? "NORMAL" : "HIGH",
      ttl: `${seconds}s`,
      ...(!silent && {
        notification: {
          tag: collapse,
          notification_count: push.badge,
          ...(push.sound !== "" && { sound: push.sound }),
        },
      }),
    },
  };
}

/** A text that fits where 64 bytes are allowed. */
function shortText(text: string): string {
  return Buffer.byteLength(text) <= 64 ? text : createHash("sha256").update(text).digest("base64url");
}

/** The text of an answer, or nothing of one that is too long: its status tells enough. */
async function readAtMost(response: Response, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > mostBytes) return "";
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
