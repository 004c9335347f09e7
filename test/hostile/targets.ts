import http from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { type Answer, type Codec, connectError } from "../conformance/wire.js";
import { envelope, envelopes } from "../support/envelopes.js";
import { newUser, type TestServer, type TestUser } from "../support/index.js";
import { newDevice, newGroup, newRoom, otherApp } from "../support/messaging.js";
import { sized } from "../support/proofs/tier.js";
import { upload } from "../support/uploads.js";
import { METHODS, nameOf, seedsOf } from "./seeds.js";

/** A server with something in it, and those who may call each of its methods. */
export interface Target {
  /** What the names in the corpus stand for. */
  names: Record<string, string>;
  /** Calls a method as one who may. A stream is left after its first frame, a long wait after a moment. */
  call(method: DescMethod, codec: Codec, body: Uint8Array): Promise<Answer & { status: number }>;
  /** Reads in JSON, as every caller, what was stored in whatever codec, and gives the calls that failed by the server's fault. */
  readBack(): Promise<string[]>;
  /** Gives up the connections; the next call opens new ones. */
  close(): void;
}

export type TargetServer = Pick<TestServer, "url" | "operatorToken">;

// Each caller may make 200 changes in one go: several share the work.
const CALLERS = sized(6, 24);
const PATIENCE_MS = 1_000;

/** The codes by which a server says that it, not the caller, is wrong. */
export const OURS: ReadonlySet<string> = new Set(["internal", "unknown", "data_loss", "HTTP 500", "HTTP 502"]);

const READS = new Set([
  "ListMessages",
  "ListConversations",
  "GetConversation",
  "ListEvents",
  "ListGroupMembers",
  "GetGroup",
  "ListFriends",
  "GetUser",
]);

/** Makes an app of its own to be called: what mutants do to its settings must not be felt in another. */
export async function openTarget(host: TargetServer, callers = CALLERS): Promise<Target> {
  const server = await otherApp(host);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const users: TestUser[] = [];
  for (let at = 0; at < callers; at += 1) users.push(await newUser(server, "tom"));
  const jerry = await newUser(server, "jerry");
  const [tom] = users as [TestUser];
  const all = [jerry, ...users.slice(1)];
  const names = {
    tom: tom.userId,
    jerry: jerry.userId,
    app: server.appId,
    key: server.clientKey,
    group: await newGroup(tom, all),
    room: await newRoom(tom, all),
    cursor: (await tom.rpc.message.listEvents({})).cursor,
    attachment: (await upload(tom, Buffer.from("x"))).attachmentId,
    fresh: "fresh-1",
  };
  let turn = 0;

  const tokenFor = async (method: DescMethod): Promise<string> => {
    if (method.parent.name === "OperatorService") return server.operatorToken;
    if (method.parent.name === "AdminService") return server.serviceKey;
    turn += 1;
    const user = users[turn % users.length] ?? tom;
    // Who logs out does it in a session that nobody else uses.
    return method.name === "Logout" ? (await newDevice(server, user)).token : user.token;
  };

  const ask = (method: DescMethod, codec: Codec, body: Uint8Array, token: string) => {
    const stream = method.methodKind === "server_streaming";
    const type = `application/${stream ? "connect+" : ""}${codec}`;
    return post(agent, `${server.url}/${nameOf(method)}`, {
      type,
      token,
      body: stream ? envelope(body) : body,
      stream,
    });
  };

  return {
    names,
    call: async (method, codec, body) => await ask(method, codec, body, await tokenFor(method)),
    async readBack() {
      const failed: string[] = [];
      for (const user of [...users, jerry])
        for (const method of METHODS.filter(({ name }) => READS.has(name)))
          for (const json of seedsOf(method, { ...names, jerry: user === jerry ? names.tom : names.jerry })) {
            const { code } = await ask(method, "json", Buffer.from(JSON.stringify(json)), user.token);
            if (OURS.has(code)) failed.push(`${nameOf(method)} ${JSON.stringify(json)}: ${code}`);
          }
      return failed;
    },
    close: () => agent.destroy(),
  };
}

interface Post {
  type: string;
  token: string;
  body: Uint8Array;
  stream: boolean;
}

const plain = (code: string, status: number): Answer & { status: number } => ({
  code,
  status,
  reason: undefined,
  field: undefined,
  message: "",
});

function post(
  agent: http.Agent,
  url: string,
  { type, token, body, stream }: Post,
): Promise<Answer & { status: number }> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": type, "content-length": body.length, authorization: `Bearer ${token}` };
    const request = http.request(url, { agent, method: "POST", headers }, (response) => {
      const status = response.statusCode ?? 0;
      const chunks: Buffer[] = [];
      const done = () => {
        const bytes = Buffer.concat(chunks);
        const end = stream
          ? envelopes(bytes)
              .find(({ flags }) => flags === 2)
              ?.data.toString()
          : undefined;
        if (stream && status === 200) resolve({ ...streamError(end), status });
        else if (status === 200) resolve(plain("ok", status));
        else resolve({ ...connectError(status, bytes.toString()), status });
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        // The first frame says that the stream is open.
        if (stream && envelopes(Buffer.concat(chunks)).some(({ flags }) => flags === 0)) {
          done();
          request.destroy();
        }
      });
      response.on("end", done).on("error", () => undefined);
    });
    const patience = setTimeout(() => {
      resolve(plain("waiting", 0));
      request.destroy();
    }, PATIENCE_MS);
    request.on("error", reject).on("close", () => clearTimeout(patience));
    request.end(body);
  });
}

function streamError(end: string | undefined): Answer {
  if (end === undefined || end === "{}") return plain("ok", 200);
  return connectError(200, JSON.stringify((JSON.parse(end) as { error?: object }).error ?? { code: "ok" }));
}
