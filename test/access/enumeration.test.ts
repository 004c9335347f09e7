import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anonymous, newUser, refusal, startTestServer, type TestServer, type TestUser } from "../support/index.js";
import { must, say, toUser } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";

let server: TestServer;
let [tom, jerry, spike]: TestUser[] = [];
beforeAll(async () => {
  const limits = { loginTries: 1e6, changeBurst: 1e6 };
  server = await startTestServer({ limits, settings: { logLevel: "silent" }, print: () => undefined });
  [tom, jerry, spike] = await Promise.all([newUser(server), newUser(server), newUser(server)]);
});
afterAll(() => server.close());

const app = () => ({ appId: server.appId, clientKey: server.clientKey });
const auth = () => anonymous(server).auth;
const nobody = () => `nobody-${randomUUID()}`;
let numbers = 0;
const newNumber = () => `+86138${String(++numbers).padStart(8, "0")}`;

/** What a caller sees of a refusal, but for the id of the request. */
async function seen(call: Promise<unknown>) {
  const { code, reason, field, message, detail } = await refusal(call);
  const { request_id: _, ...metadata } = detail.metadata;
  return { code, reason, field, message, metadata };
}

/** A call by somebody who has no right to know: about what there is, and about what there is not. */
interface Question {
  there: () => Promise<unknown>;
  not: () => Promise<unknown>;
}

async function questions(): Promise<Record<string, Question>> {
  const username = nobody();
  await auth().createAccount({ ...app(), username, password: "right" });
  const byPassword = (name: string) =>
    auth().login({
      ...app(),
      credential: { case: "password", value: { username: name, password: "wrong" } },
    });
  const byCode = (phoneNumber: string) =>
    auth().login({ ...app(), credential: { case: "sms", value: { phoneNumber, code: "000000" } } });
  const number = newNumber();
  await auth().requestSmsCode({ ...app(), phoneNumber: number });
  const message = await say(must(jerry), toUser(must(spike).userId), "not for Tom");
  const { attachmentId } = await must(jerry).rpc.attachment.createUpload({
    fileName: "a.txt",
    mimeType: "text/plain",
    sizeBytes: 1,
  });
  const { rpc } = must(tom);
  const stranger = must(jerry).userId;
  return {
    "a password of an account": { there: () => byPassword(username), not: () => byPassword(nobody()) },
    "a code of a number": { there: () => byCode(number), not: () => byCode(newNumber()) },
    "the presence of a stranger": {
      there: () => rpc.user.getPresence({ userId: stranger }),
      not: () => rpc.user.getPresence({ userId: nobody() }),
    },
    "a stranger as a friend": {
      there: () => rpc.friend.getFriend({ userId: stranger }),
      not: () => rpc.friend.getFriend({ userId: nobody() }),
    },
    "a message of others": {
      there: () => rpc.history.getMessage({ messageId: message.messageId }),
      not: () => rpc.history.getMessage({ messageId: nobody() }),
    },
    "an attachment of others": {
      there: () => rpc.attachment.getAttachment({ attachmentId }),
      not: () => rpc.attachment.getAttachment({ attachmentId: nobody() }),
    },
  };
}

describe("A7: asking what there is", () => {
  test("gets one answer for what there is and what there is not, in one time", async (context) => {
    const rounds = sized(8, 200);
    const gaps: number[] = [];
    for (const [what, { there, not }] of Object.entries(await questions())) {
      expect(await seen(there()), what).toEqual(await seen(not()));
      const times: Record<"there" | "not", number[]> = { there: [], not: [] };
      for (let round = 0; round < rounds; round += 1)
        for (const [kind, call] of [["there", there] as const, ["not", not] as const]) {
          const began = performance.now();
          await call().catch(() => undefined);
          times[kind].push(performance.now() - began);
        }
      // The lower quartile hears little of what else the machine does.
      const quartile = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length / 4)] ?? 0;
      gaps.push(Math.abs(quartile(times.there) - quartile(times.not)));
    }
    const most = Math.max(...gaps);
    expect(most).toBeLessThan(sized(40, 10));
    figure(
      context,
      `${gaps.length} questions: equal answers, lower quartiles at most ${most.toFixed(1)} ms apart over ${rounds} calls each`,
    );
  }, 300_000);

  test("a code is sent to a number whether it has a user or not, and the answers are alike", async () => {
    const [first, second] = await Promise.all(
      [newNumber(), newNumber()].map((phoneNumber) => auth().requestSmsCode({ ...app(), phoneNumber })),
    );
    expect(first?.resendDelay).toEqual(second?.resendDelay);
  });
});
