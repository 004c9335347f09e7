import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, newUser, type TestUser } from "../support/index.js";
import { mainFile, type ServerProcess, startProcess } from "./process.js";
import { installed, output, run, start, temporaryFolder } from "./programs.js";
import { connectError } from "./wire.js";

describe.skipIf(!installed("curl", ["curl"]))("curl", () => {
  test("the lines that a first start prints, pasted into a shell, make two users talk", async () => {
    const folder = temporaryFolder();
    const server = start(process.execPath, [mainFile, "serve", "--port", "0"], { cwd: folder });
    const printed = await eventually(() => {
      const [, lines] = /Paste the lines into another terminal\.\n\n([\s\S]+?)\n\n/.exec(server.text()) ?? [];
      if (lines !== undefined) return lines;
      throw new Error(`nothing to paste yet: ${server.text()}${server.stderr()}`);
    }, 20_000);

    const shell = await run("bash", [], { input: `${printed}\n` });
    expect(shell).toMatchObject({ code: 0, stderr: "" });
    const [befriended, sent, received, ...more] = shell.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(more).toEqual([]);
    expect(befriended).toMatchObject({ friend: { userId: "Jerry" } });
    const message = { content: { text: { text: "Hello Jerry" } }, sender: { userId: "Tom" }, seq: 1 };
    expect(sent).toMatchObject({ message });
    expect(received).toMatchObject({ events: [{ messageCreated: { message: sent.message } }] });

    await server.stop("SIGTERM");
    expect(server.stderr()).not.toMatch(/"level":"?(error|fatal|50|60)/);
  });

  describe.each([
    ["HTTP/1.1", "--http1.1", "1.1"],
    ["HTTP/2 with prior knowledge", "--http2-prior-knowledge", "2"],
  ])("the Connect protocol over %s", (_, flag, version) => {
    let server: ServerProcess;
    let tom: TestUser;
    let jerry: TestUser;
    beforeAll(async () => {
      server = await startProcess();
      [tom, jerry] = [await newUser(server, "Tom"), await newUser(server, "Jerry")];
    });
    afterAll(() => server.stop());

    interface Curled {
      status: number;
      type: string;
      headers: Record<string, string[]>;
      body: string;
    }

    /** Runs curl and takes apart what came. */
    const curl = async (path: string, args: string[]): Promise<Curled> => {
      const form = "\n%{http_code} %{http_version} %{content_type}\n%{header_json}";
      const printed = await output("curl", ["-sS", flag, "-w", form, ...args, `${server.url}${path}`]);
      const [, body = "", status, used, type = "", headers = "{}"] =
        /^([\s\S]*)\n(\d+) (\S+) (.*)\n([\s\S]*)$/.exec(printed) ?? [];
      expect(used).toBe(version);
      return { status: Number(status), type, headers: JSON.parse(headers), body };
    };
    const json = ["-H", "content-type: application/json"];
    const as = (user: TestUser) => ["-H", `authorization: Bearer ${user.token}`];
    const post = (method: string, user: TestUser, request: object) =>
      curl(`/parley.v1.${method}`, [...json, ...as(user), "-d", JSON.stringify(request)]);
    const get = (method: string, user: TestUser, request: object) => {
      const query = new URLSearchParams({ connect: "v1", encoding: "json", message: JSON.stringify(request) });
      return curl(`/parley.v1.${method}?${query}`, as(user));
    };
    const send = (text: string, more: object = {}) =>
      post("MessageService/SendMessage", tom, {
        receiver: { userId: jerry.userId },
        content: { text: { text } },
        ...more,
      });

    test("POST for writes, GET for reads", async () => {
      const sent = await send("by POST");
      expect(sent).toMatchObject({ status: 200, type: "application/json" });
      const { message } = JSON.parse(sent.body);
      const read = await get("HistoryService/GetMessage", jerry, { messageId: message.messageId });
      expect(read).toMatchObject({ status: 200, type: "application/json" });
      expect(JSON.parse(read.body)).toEqual({ message });
      const posted = await post("HistoryService/GetMessage", jerry, { message_id: message.messageId });
      expect(JSON.parse(posted.body)).toEqual({ message });
      const base64 = Buffer.from(JSON.stringify({ messageId: message.messageId })).toString("base64url");
      const query = `connect=v1&encoding=json&base64=1&message=${base64}`;
      expect(JSON.parse((await curl(`/parley.v1.HistoryService/GetMessage?${query}`, as(jerry))).body)).toEqual({
        message,
      });
    });

    test("GET is refused where a call has effects", async () => {
      const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
      for (const method of ["MessageService/SendMessage", "AuthService/Logout", "MessageService/Subscribe"]) {
        const refused = await curl(`/parley.v1.${method}?${query}`, as(tom));
        expect(refused.status, method).toBe(405);
        expect(refused.headers.allow, method).toEqual(["POST"]);
      }
      expect((await post("AuthService/ListSessions", tom, {})).status).toBe(200); // still logged in
    });

    test("an error has its HTTP status, its code and an ErrorDetail that can be read as it is", async () => {
      const request = { receiver: { userId: "nobody-at-all" }, content: { text: { text: "x" } } };
      const unknown = await post("MessageService/SendMessage", tom, request);
      expect(unknown).toMatchObject({ status: 404, type: "application/json" });
      const error = JSON.parse(unknown.body);
      expect(error).toMatchObject({
        code: "not_found",
        message: expect.any(String),
        details: [
          { type: "parley.v1.ErrorDetail", value: expect.any(String), debug: { reason: "ERROR_REASON_NOT_FOUND" } },
        ],
      });
      expect(connectError(404, unknown.body)).toMatchObject({ code: "not_found", reason: "NOT_FOUND" });
      const invalid = await send("");
      expect(invalid.status).toBe(400);
      expect(connectError(400, invalid.body)).toMatchObject({
        code: "invalid_argument",
        reason: "INVALID_FIELD",
        field: "content.text.text",
      });
      const anonymous = await curl("/parley.v1.AuthService/ListSessions", [...json, "-d", "{}"]);
      expect(anonymous.status).toBe(401);
      expect(connectError(401, anonymous.body)).toMatchObject({ code: "unauthenticated", reason: "UNAUTHENTICATED" });
      const wrong = await get("HistoryService/GetMessage", tom, { messageId: "no-such-message" });
      expect(connectError(wrong.status, wrong.body)).toMatchObject({ code: "not_found", reason: "NOT_FOUND" });
    });

    test("another content type is 415, an unknown method 404 and unimplemented", async () => {
      const path = "/parley.v1.ServerService/GetServerInfo";
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
        expect((await curl(path, ["-H", `content-type: ${type}`, "-d", "{}"])).status, type).toBe(415);
      expect((await curl(path, ["-H", "content-type:", "-d", "{}"])).status).toBe(415);
      for (const unknown of ["/parley.v1.ServerService/NoSuchMethod", "/parley.v1.NoSuchService/Get"]) {
        const answer = await curl(unknown, [...json, "-d", "{}"]);
        expect(answer.status).toBe(404);
        expect(JSON.parse(answer.body)).toMatchObject({ code: "unimplemented" });
      }
    });

    test("an answer that does not wait for the request's body arrives every time", async () => {
      const early = ["/parley.v1.ServerService/GetServerInfo", "/parley.v1.ServerService/NoSuchMethod"];
      const calls = Array.from({ length: 60 }, (_, at) =>
        curl(early[at % 2] ?? "", ["-H", "content-type: text/plain", "-d", "{}"]),
      );
      const lost = (await Promise.allSettled(calls)).flatMap((call) =>
        call.status === "rejected" ? [call.reason] : [],
      );
      expect(lost).toEqual([]);
    });

    test("a long poll of ListEvents ends at once when something comes, and by its time when nothing does", async () => {
      const { cursor } = JSON.parse((await get("MessageService/ListEvents", jerry, {})).body);
      const began = performance.now();
      const quiet = await get("MessageService/ListEvents", jerry, { cursor, wait: "1s" });
      expect(JSON.parse(quiet.body).events ?? []).toEqual([]);
      expect(performance.now() - began).toBeGreaterThan(900);

      const poll = get("MessageService/ListEvents", jerry, { cursor, wait: "25s" });
      expect((await send("to a poll")).status).toBe(200);
      const { events, cursor: next } = JSON.parse((await poll).body);
      expect(events).toMatchObject([{ messageCreated: { message: { content: { text: { text: "to a poll" } } } } }]);
      expect(performance.now() - began).toBeLessThan(10_000);
      const rest = await get("MessageService/ListEvents", jerry, { cursor: next });
      expect(JSON.parse(rest.body).events ?? []).toEqual([]);
    });
  });
});
