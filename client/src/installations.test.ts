import { Code, ConnectError } from "@connectrpc/connect";
import { PushProvider } from "@parley/proto/parley/v1/installation_pb.js";
import { describe, expect, it } from "vitest";
import { memoryStore } from "./key-value-store.js";
import { createFakeServer } from "./testing/fake-server.js";
import { setUp } from "./testing/set-up.js";

const installation = { installationId: "phone" };
const token = { pushProvider: PushProvider.APNS, pushToken: "0a" };

describe("an installation", () => {
  it("that changes is told at once, and named by every login from then on", async () => {
    const { server, client } = setUp({ installation });
    await client.login({ bareId: "Jerry" });
    expect(server.logins[0]?.installation).toMatchObject({ installationId: "phone", pushToken: "" });
    const stored = await client.installations.register(token);
    expect(stored).toMatchObject({ installationId: "phone", pushToken: "" });
    await client.installations.register({ locale: "zh-CN" });
    expect(server.installations.at(-1)).toMatchObject({ installationId: "phone", ...token, locale: "zh-CN" });
    await client.logout();
    await client.login({ bareId: "Tom" });
    expect(server.logins[1]?.installation).toMatchObject({ ...token, platform: 5 });
  });

  it("is remembered over a restart; what the program says anew wins", async () => {
    const server = createFakeServer();
    const store = memoryStore();
    const first = setUp({ store, installation }, server);
    expect(await first.client.installations.register(token)).toBeUndefined();
    expect(server.calls).toEqual([]);
    await first.client.close();
    await setUp({ store, installation }, server).client.login({ bareId: "Jerry" });
    expect(server.logins[0]?.installation).toMatchObject(token);
    await setUp({ store, installation: { ...installation, pushToken: "0b" } }, server).client.login({
      bareId: "Jerry",
    });
    expect(server.logins[1]?.installation).toMatchObject({ ...token, pushToken: "0b" });
    // Another install in the same store has its own token.
    await setUp({ store, installation: { installationId: "other" } }, server).client.login({ bareId: "Jerry" });
    expect(server.logins[2]?.installation).toMatchObject({ installationId: "other", pushToken: "" });
  });

  it("is remembered when the server cannot be told, and needs an id", async () => {
    const { server, client } = setUp();
    await expect(client.installations.register(token)).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      field: "installation.installation_id",
    });
    await client.login({ bareId: "Jerry" });
    server.fault = (call) => (call === "registerInstallation" ? new ConnectError("no", Code.Unavailable) : undefined);
    await expect(client.installations.register(installation)).rejects.toMatchObject({ reason: "UNREACHABLE" });
    server.fault = () => undefined;
    await client.logout();
    await client.login({ bareId: "Jerry" });
    expect(server.logins[1]?.installation).toMatchObject({ installationId: "phone", ...token });
  });

  it("tells which push was opened on it", async () => {
    const { server, client } = setUp({ installation });
    await client.login({ bareId: "Jerry" });
    await client.installations.reportPushOpened({ pushId: "p" });
    await client.installations.reportPushOpened({ messageId: "m" });
    expect(server.opened).toEqual(["pushId:p on phone", "messageId:m on phone"]);
  });
});
