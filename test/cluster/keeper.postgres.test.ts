import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { databaseOf } from "../support/database.js";
import {
  anonymous,
  backend,
  eventually,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
} from "../support/index.js";
import { count, must, say, says, toUser } from "../support/messaging.js";
import { openPool } from "../support/postgres.js";
import { newPhone, scriptedSender } from "../support/push.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { closeNodes, startNodes } from "./nodes.js";

const GRACE_MS = 500;
const leases = { leaseMs: 2_000, leaseRenewMs: 300, leaseFenceMs: 1_200, leaseRetryMs: 100 };
const times = { ...leases, presenceGraceMs: GRACE_MS, presenceBootGraceMs: 0, presenceTellMs: 1, ackPersistMs: 50 };

describe("the keeper", () => {
  const senders = [scriptedSender(), scriptedSender()];
  let nodes: TestServer[];
  beforeAll(async () => {
    const [first, second] = senders;
    nodes = await startNodes(2, { times, pushSender: must(second) }, { times, pushSender: must(first) });
    // As the app's first credential does it.
    const db = openPool(must(await databaseOf(must(nodes[0]).dataDir)));
    await db
      .insertInto("push_cursor")
      .values({ app_id: must(nodes[0]).appId, pos: 0 })
      .execute();
    await db.destroy();
  });
  afterAll(() => closeNodes(nodes));

  const handed = (token: string) => senders.flatMap((sender) => sender.to(token)).map(({ body }) => body);

  it("pushes what is said on any node, each once, and not to one who acknowledged on another", async () => {
    const [a, b] = [must(nodes[0]), must(nodes[1])];
    const [away, here, sayer] = [await newPhone(a), await newPhone(b), await newUser(b)];
    const stream = await subscribe(here);
    await here.rpc.message.ackEvents({});
    const words = count(20).map((at) => `word ${at}`);
    for (const [at, word] of words.entries()) {
      const by = at % 2 === 0 ? sayer : { ...sayer, rpc: (await newUser(a)).rpc };
      await say(by, toUser(away.userId), word);
      await say(by, toUser(here.userId), word);
      const { cursor } = await stream.event(says(word));
      await here.rpc.message.ackEvents({ cursor });
    }
    await eventually(() => expect(handed(away.pushToken).sort()).toEqual([...words].sort()), 10_000);
    expect(handed(here.pushToken)).toEqual([]);
    expect(senders.filter((sender) => sender.handed.length > 0)).toHaveLength(1);
    await stream.close();
  });

  it("is another node when it stops, which goes on where it was", async () => {
    const [a, b] = [must(nodes[0]), must(nodes[1])];
    const [phone, sayer] = [await newPhone(b), await newUser(b)];
    const databaseUrl = await databaseOf(a.dataDir);
    const third = await startTestServer({
      times,
      pushSender: must(senders[1]),
      settings: { dataDir: a.dataDir, databaseUrl },
    });
    await a.running.close();
    const words = count(5).map((at) => `after ${at}`);
    for (const word of words) await say(sayer, toUser(phone.userId), word);
    await eventually(() => expect(handed(phone.pushToken).sort()).toEqual(words), 15_000);
    // It comes back as a node like all others.
    nodes[0] = { ...a, running: third.running, url: third.url, close: third.close };
  });
});

describe("guessing", () => {
  it("is limited for all nodes together", async () => {
    const nodes = await startNodes(2, { limits: { loginTries: 3, loginWindowSeconds: 300 } });
    const [a, b] = [must(nodes[0]), must(nodes[1])];
    const guess = async ({ url, appId, clientKey }: TestServer) =>
      (
        await refusal(
          anonymous({ url }).auth.login({
            appId,
            clientKey,
            credential: { case: "password", value: { username: "tom", password: "wrong" } },
          }),
        )
      ).reason;
    const answers = [await guess(a), await guess(b), await guess(a), await guess(b)];
    expect(answers).toEqual(["WRONG_CREDENTIAL", "WRONG_CREDENTIAL", "WRONG_CREDENTIAL", "RATE_LIMITED"]);
    await closeNodes(nodes);
  });
});

describe("a node that cannot reach the database", () => {
  it("sends its streams away, takes none, says so, and serves again when it can", async () => {
    const server = await startTestServer({ times });
    const url = new URL(must(await databaseOf(server.dataDir)));
    const proxy = await startTcpProxy(`http://${url.host}`);
    const behind = new URL(url);
    behind.host = `127.0.0.1:${proxy.port}`;
    // The first node goes; its folder, with its keys, is the second one's.
    await server.running.close();
    const node = await startTestServer({
      times,
      settings: { dataDir: server.dataDir, databaseUrl: behind.href },
    });
    const tom = await newUser(node);
    const stream = await subscribe(tom);
    const ready = async () => (await fetch(`${node.url}/readyz`)).status;
    expect(await ready()).toBe(200);
    proxy.refuse();
    proxy.cutAll();
    const goodbye = await eventually(() => stream.frame("goodbye"), 5_000);
    expect(goodbye.reconnect).toBe(true);
    expect(await ready()).toBe(503);
    expect(await refusal(subscribeOnce(tom))).toMatchObject({ code: "Unavailable" });
    proxy.accept();
    await eventually(async () => expect(await ready()).toBe(200), 10_000);
    const again = await subscribe(tom);
    await eventually(async () => {
      const { now } = await backend(node).admin.getStatistics({});
      expect(now?.onlineUsers).toBe(1);
    });
    await again.close();
    await node.close();
    await proxy.close();
  });
});

async function subscribeOnce(user: Awaited<ReturnType<typeof newUser>>): Promise<void> {
  for await (const _ of user.rpc.message.subscribe({})) return;
}
