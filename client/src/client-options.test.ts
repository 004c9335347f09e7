import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { settle } from "./testing/fake-clock.js";
import { setUp } from "./testing/set-up.js";

it("without options a lost stream is tried for ever, at least once in half a minute", async () => {
  const { server, clock, client, states } = setUp();
  await client.login({ bareId: "Jerry" });
  await settle();
  server.subscribeFault = () => new ConnectError("gone", Code.Unavailable);
  server.cut();
  for (let minute = 0; minute < 10; minute += 0.5) {
    const before = server.subscriptions.length;
    await clock.advance(30_000);
    expect(server.subscriptions.length).toBeGreaterThan(before);
  }
  expect(states).not.toContain("closed");
  server.subscribeFault = () => undefined;
  await clock.advance(30_000);
  expect(client.state.name).toBe("live");
});
