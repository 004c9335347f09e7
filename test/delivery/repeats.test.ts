import { createClient, group, type OutgoingMessage, user } from "@parley/client";
import { nodePlatform } from "@parley/client/node";
import type { ChatMessage } from "@parley/proto/parley/v1/chat_message_pb.js";
import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  backend,
  newUser,
  refusal,
  startTestServer,
  subscribe,
  type TestServer,
  type TestUser,
} from "../support/index.js";
import {
  count,
  must,
  newGroup,
  newPair,
  newRoom,
  say,
  says,
  send,
  type To,
  text,
  textOf,
  toGroup,
  toRoom,
  toUser,
} from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { longTimeout, seed, sized } from "../support/proofs/tier.js";
import { random } from "../support/random.js";
import { startRequestProxy } from "../support/request-proxy.js";
import { onServer } from "./story.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

/** All messages of a conversation, oldest first. */
async function historyOf(reader: Pick<TestUser, "rpc">, { peer }: To): Promise<ChatMessage[]> {
  const all: ChatMessage[] = [];
  for (;;) {
    const position = { case: "afterSeq" as const, value: all.at(-1)?.seq ?? 0 };
    const { messages } = await reader.rpc.history.listMessages({ peer: { peer }, position, pageSize: 100 });
    if (messages.length === 0) return all;
    all.push(...messages);
  }
}

describe("S13: one id sent many times", () => {
  const clientMessageId = "one";
  const requestTo = (to: To, words = "hi") => ({ receiver: to, content: text(words), clientMessageId });

  /** Sends a message fifty times by itself and fifty times in batches, some of which hold it twice; gives the answers. */
  async function hundred(
    from: TestUser,
    to: To,
  ): Promise<{ message?: ChatMessage | undefined; deduplicated: boolean }[]> {
    const other = () => ({ receiver: to, content: text("between") });
    const batches = count(25).map(async () => {
      const requests = [requestTo(to), other(), requestTo(to)];
      const { results } = await from.rpc.message.sendMessages({ requests });
      return [must(results[0]), must(results[2])];
    });
    const alone = count(50).map(() => send(from, to, "hi", { clientMessageId }));
    return [...(await Promise.all(batches)).flat(), ...(await Promise.all(alone))];
  }

  it("a hundred times at once, and again over restarts, is one message with equal answers", async (context) => {
    let own = await startTestServer();
    const [tom, jerry] = await newPair(own);
    const to = toUser(jerry.userId);
    const answers = await hundred(tom, to);
    for (const _ of count(2)) {
      own = await own.restart();
      answers.push(...(await hundred(onServer(own, tom), to)));
    }
    const repeats = answers.filter((answer) => answer.deduplicated).length;
    expect(repeats).toBe(answers.length - 1);
    for (const { message } of answers) expect(message).toEqual(answers[0]?.message);
    const stored = (await historyOf(onServer(own, jerry), toUser(tom.userId))).filter((m) => textOf(m) === "hi");
    expect(stored).toEqual([answers[0]?.message]);
    await own.close();
    figure(
      context,
      `${answers.length} sends of one id over 2 restarts: ${stored.length} message, ${repeats} equal repeats`,
    );
  });

  it("while the server restarts, whatever becomes of each try", async () => {
    let own = await startTestServer({ times: { drainMs: 100 } });
    const [tom, jerry] = await newPair(own);
    const to = toUser(jerry.userId);
    const tries = count(100).map(() => send(tom, to, "hi", { clientMessageId }).catch(() => undefined));
    own = await own.restart();
    const answers = [...(await Promise.all(tries)), ...(await hundred(onServer(own, tom), to))].filter(
      (a) => a !== undefined,
    );
    for (const { message } of answers) expect(message).toEqual(answers[0]?.message);
    expect(answers.filter((answer) => !answer.deduplicated).length).toBeLessThanOrEqual(1);
    const stored = await historyOf(onServer(own, jerry), toUser(tom.userId));
    expect(stored.filter((message) => message.clientMessageId === clientMessageId)).toHaveLength(1);
    await own.close();
  });

  it("with two contents at once: one of them is the message, the other a conflict each time", async () => {
    const [tom, jerry] = await newPair(server);
    const to = toUser(jerry.userId);
    const outcomes = await Promise.all(
      count(100).map(async (at) => {
        const words = at % 2 === 0 ? "this" : "that";
        if (at % 3 === 0) {
          const { results } = await tom.rpc.message.sendMessages({ requests: [requestTo(to, words)] });
          const [result] = results;
          return { words, was: textOf(result?.message), reason: result?.error?.detail?.reason };
        }
        return await send(tom, to, words, { clientMessageId }).then(
          ({ message }) => ({ words, was: textOf(message), reason: undefined }),
          async (error) => ({ words, was: "", reason: (await refusal(Promise.reject(error))).detail.reason }),
        );
      }),
    );
    const [stored, ...more] = await historyOf(jerry, toUser(tom.userId));
    expect(more).toEqual([]);
    for (const { words, was, reason } of outcomes)
      expect([words, was, reason]).toEqual(
        words === textOf(stored) ? [words, words, undefined] : [words, "", ErrorReason.IDEMPOTENCY_CONFLICT],
      );
  });

  it("after the sender lost the right to send, by a removal or a mute, the first answer comes", async () => {
    let own = await startTestServer();
    const [tom, jerry] = await newPair(own);
    const place = toGroup(await newGroup(jerry, [tom]));
    const muted = toGroup(await newGroup(jerry, [tom]));
    const places = [place, muted, toUser(jerry.userId)];
    const firsts = await Promise.all(places.map((to, at) => say(tom, to, "hi", { clientMessageId: `k${at}` })));
    await jerry.rpc.group.removeGroupMembers({ groupId: place.peer.value, userIds: [tom.userId] });
    const muteUntilTime = { seconds: BigInt(Math.floor(Date.now() / 1000) + 3600), nanos: 0 };
    await jerry.rpc.group.updateGroupMember({
      groupId: muted.peer.value,
      userId: tom.userId,
      muteUntilTime,
    });
    own = await own.restart();
    for (const later of [onServer(own, tom), { rpc: backend(own).as(tom.userId) }]) {
      for (const [at, to] of places.entries()) {
        const again = await send(later, to, "hi", { clientMessageId: `k${at}` });
        expect(again).toMatchObject({ deduplicated: true });
        expect(again.message).toEqual(firsts[at]);
      }
      const fresh = [place, muted].map((to) => refusal(send(later, to, "hi")));
      expect((await Promise.all(fresh)).map(({ reason }) => reason)).toEqual(["NOT_MEMBER", "MUTED"]);
    }
    await own.close();
  });

  it("to a room, or transient, is heard once within two minutes", async () => {
    const [tom, jerry] = await newPair(server);
    const places = [toRoom(await newRoom(tom, [jerry])), toUser(jerry.userId)] as const;
    const stream = await subscribe(jerry);
    for (const [at, to] of places.entries()) {
      const rest = { clientMessageId: `t${at}`, transient: true };
      const answers = await Promise.all(count(100).map(() => send(tom, to, `passing ${at}`, rest)));
      expect(answers.filter((answer) => answer.deduplicated)).toHaveLength(99);
      for (const { message } of answers) expect(message).toEqual(answers[0]?.message);
      expect((await refusal(send(tom, to, "else", rest))).reason).toBe("IDEMPOTENCY_CONFLICT");
    }
    await say(tom, toUser(jerry.userId), "end");
    await stream.event(says("end"));
    for (const at of [0, 1]) expect(stream.events().filter(says(`passing ${at}`))).toHaveLength(1);
    await stream.close();
  });
});

describe("S14: calls repeated, reordered and unanswered", () => {
  it("between the outbox and the server: each message once, each client's order kept", {
    timeout: longTimeout,
  }, async (context) => {
    const by = seed();
    const dice = random(by);
    const proxy = await startRequestProxy({ target: server.url, dice, percent: 30, delayMs: 30 });
    const [reader, ...senders] = await Promise.all(count(4).map(() => newUser(server)));
    const own = must(reader);
    const groups = await Promise.all(count(2).map(() => newGroup(own, senders)));
    const { appId, clientKey } = server;
    const sends = sized(120, 2000);
    const sent = new Map<string, string[]>();
    await Promise.all(
      senders.map(async ({ token, userId }) => {
        const platform = nodePlatform({ httpVersion: "1.1" });
        const client = createClient({ baseUrl: proxy.url, appId, clientKey, platform, reconnectWait: 10 });
        await loggedIn(() => client.login({ sessionToken: token }));
        const messages: OutgoingMessage[] = [];
        for (const at of count(sends)) {
          const to = dice(3);
          const place = to === 2 ? "direct" : must(groups[to]);
          const words = `${userId} ${at}`;
          sent.set(`${userId} ${place}`, [...(sent.get(`${userId} ${place}`) ?? []), words]);
          messages.push(client.messages.send(to === 2 ? user(own.userId) : group(place), { text: words }));
          if (dice(4) === 0) await new Promise((resolve) => setTimeout(resolve, dice(10)));
        }
        await Promise.all(messages.map((message) => message.stored));
        await client.close();
      }),
    );
    await proxy.quiet();
    const { passed, repeated, delayed, lost } = proxy.done;
    await proxy.close();
    const ids = new Set<string>();
    let stored = 0;
    const check = async (to: To, place: string, from: readonly TestUser[]) => {
      const history = await historyOf(own, to);
      expect(history.map(({ seq }) => seq)).toEqual(count(history.length));
      for (const { clientMessageId } of history) ids.add(clientMessageId);
      stored += history.length;
      for (const { userId } of from) {
        const texts = history.map(textOf).filter((words) => words.startsWith(`${userId} `));
        expect({ by, texts }).toEqual({ by, texts: sent.get(`${userId} ${place}`) ?? [] });
      }
    };
    for (const place of groups) await check(toGroup(place), place, senders);
    for (const sender of senders) await check(toUser(sender.userId), "direct", [sender]);
    expect([stored, ids.size]).toEqual([senders.length * sends, senders.length * sends]);
    expect(Math.min(repeated, delayed, lost)).toBeGreaterThan(0);
    figure(
      context,
      `${stored} sends in ${passed} calls, ${repeated} repeated, ${delayed} delayed, ${lost} unanswered: 0 lost, 0 doubled, order kept`,
    );
  });
});

/** Logs in over a network that may lose the answer. */
async function loggedIn(login: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      return void (await login());
    } catch (error) {
      if (!String(error).includes("UNREACHABLE") && !(error as { retryable?: boolean }).retryable) throw error;
    }
  }
}
