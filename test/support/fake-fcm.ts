import { verify } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type FakeProvider, jwtPart, type ProviderAnswer, writeEndlessly } from "./fake-provider.js";
import type { PushKeys } from "./push-keys.js";

/** A request as Google gets it. */
interface FcmRequest {
  /** By the clock of performance.now. */
  atMs: number;
  projectId: string;
  token: string;
  accessToken: string;
  message: FcmMessage;
}

interface FcmMessage {
  token: string;
  data?: Record<string, unknown>;
  notification?: { title?: string; body?: string };
  android?: Record<string, unknown>;
}

export interface FakeFcm extends FakeProvider<FcmRequest> {
  /** How many access tokens it gave out. */
  readonly grants: number;
  /** Says what becomes of requests for access tokens that are well made; by default they get one. */
  scriptGrants(answer: () => ProviderAnswer | undefined): void;
  /** Makes every access token useless. */
  revoke(): void;
}

/** Google's token endpoint and messages on one port: it checks assertions and access tokens, then does as its script says. */
export async function startFakeFcm(keys: PushKeys): Promise<FakeFcm> {
  const received: FcmRequest[] = [];
  const sockets = new Set<Socket>();
  const live = new Set<string>();
  let grants = 0;
  let script: (request: FcmRequest) => ProviderAnswer = () => ({
    status: 200,
    body: { name: "projects/x/messages/1" },
  });
  let scriptGrants: () => ProviderAnswer | undefined = () => undefined;

  const grant = (body: string): ProviderAnswer => {
    const form = new URLSearchParams(body);
    const fault = faultOf(form, keys);
    if (fault !== undefined) return { status: 400, body: { error: "invalid_grant", error_description: fault } };
    const scripted = scriptGrants();
    if (scripted !== undefined) return scripted;
    grants += 1;
    live.add(`access-${grants}`);
    return { status: 200, body: { access_token: `access-${grants}`, expires_in: 3599, token_type: "Bearer" } };
  };

  const push = (request: IncomingMessage, body: string): ProviderAnswer => {
    const [, projectId = ""] = /^\/v1\/projects\/([^/]+)\/messages:send$/.exec(request.url ?? "") ?? [];
    const { message } = JSON.parse(body) as { message: FcmMessage };
    const accessToken = (request.headers.authorization ?? "").replace("Bearer ", "");
    const push = { atMs: performance.now(), projectId, token: message.token, accessToken, message };
    received.push(push);
    if (!live.has(accessToken)) return fcmError(401, "UNAUTHENTICATED");
    if (Object.values(message.data ?? {}).some((value) => typeof value !== "string"))
      return fcmError(400, "INVALID_ARGUMENT");
    return script(push);
  };

  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => act(response, request.url === "/token" ? grant(body) : push(request, body)));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    received,
    get connections() {
      return sockets.size;
    },
    get grants() {
      return grants;
    },
    script(answer) {
      script = answer;
    },
    scriptGrants(answer) {
      scriptGrants = answer;
    },
    revoke: () => live.clear(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** An answer of Google that is no success; `code` is what FCM itself calls it. */
export function fcmError(
  status: number,
  name: string,
  code?: string,
  headers: Record<string, string> = {},
): ProviderAnswer {
  const details =
    code === undefined ? [] : [{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", errorCode: code }];
  return { status, body: { error: { code: status, message: "as scripted", status: name, details } }, headers };
}

/** What Google says of a token that it never gave. */
export const fcmBadToken: ProviderAnswer = {
  status: 400,
  body: {
    error: {
      code: 400,
      message: "The registration token is not a valid FCM registration token",
      status: "INVALID_ARGUMENT",
      details: [
        { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", errorCode: "INVALID_ARGUMENT" },
        { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: "message.token" }] },
      ],
    },
  },
};

function act(response: ServerResponse, answer: ProviderAnswer): void {
  if (answer === "hang") return;
  if (answer === "reset" || answer === "goaway") return void response.socket?.destroy();
  if (answer === "endless") {
    response.writeHead(400);
    return void writeEndlessly(response);
  }
  const { status, body, headers } = answer;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body === undefined || typeof body === "string" ? body : JSON.stringify(body));
}

/** What is wrong with a request for an access token. */
function faultOf(form: URLSearchParams, { account }: PushKeys): string | undefined {
  const jwt = form.get("assertion") ?? "";
  const [head, claims, signature = ""] = jwt.split(".");
  if (form.get("grant_type") !== "urn:ietf:params:oauth:grant-type:jwt-bearer") return "grant_type";
  if (!verify("sha256", Buffer.from(`${head}.${claims}`), account.publicKey, Buffer.from(signature, "base64url")))
    return "signature";
  const { iss, aud, scope, exp, iat } = jwtPart(jwt, 1);
  if (iss !== account.email) return "iss";
  if (aud !== "https://oauth2.googleapis.com/token") return "aud";
  if (scope !== "https://www.googleapis.com/auth/firebase.messaging") return "scope";
  return Number(exp) > Date.now() / 1000 && Number(exp) - Number(iat) <= 3600 ? undefined : "exp";
}
