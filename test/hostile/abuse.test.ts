import { randomUUID } from "node:crypto";
import http from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../server/src/limits.js";
import { newUser, refusal, type TestUser } from "../support/index.js";
import { must } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { sized } from "../support/proofs/tier.js";
import { beside, seen, startVictim, type Victim } from "./victim.js";

const CALLS = sized(400, 3_000);
const AT_ONCE = 30;

let victim: Victim;
beforeAll(async () => {
  victim = await startVictim({ PARLEY_SEND_RATE: "20" });
});
afterAll(() => victim.stop());

/** What a user with a session may do without end, each by its number. */
const ABUSES: Readonly<Record<string, (user: TestUser, other: TestUser, at: number) => Promise<unknown>>> = {
  "types without end": ({ rpc }, { userId }, at) =>
    rpc.message.setTyping({ peer: { peer: { case: "userId", value: userId } }, typing: at % 2 === 0 }),
  "comes and goes": ({ rpc }, _, at) => rpc.user.updatePresenceSettings({ invisible: at % 2 === 0 }),
  "marks as read again and again": ({ rpc }, { userId }, at) =>
    rpc.conversation.markRead({ peer: { peer: { case: "userId", value: userId } }, readSeq: at }),
  "makes and ends a friendship": ({ rpc }, { userId }, at) =>
    at % 2 === 0 ? rpc.friend.addFriend({ userId }) : rpc.friend.removeFriend({ userId }),
  "founds groups": ({ rpc }, { userId }) => rpc.group.createGroup({ name: "g", memberUserIds: [userId] }),
  "changes its attributes": ({ rpc }, _, at) =>
    rpc.user.updateAttributes({ attributes: { [`k${at % 50}`]: "x".repeat(200) } }),
  searches: ({ rpc }) =>
    rpc.user.searchUsers({ filters: [{ path: "display_name", condition: { case: "contains", value: "%_a" } }] }),
  "begins uploads": ({ rpc }) =>
    rpc.attachment.createUpload({ fileName: "f", mimeType: "text/plain", sizeBytes: 20 * 1024 * 1024 }),
  "registers installations": ({ rpc }) =>
    rpc.installation.registerInstallation({ installation: { installationId: randomUUID(), platform: 1 } }),
};

describe("A19: a user who may do all this, and does it without end", () => {
  for (const [name, abuse] of Object.entries(ABUSES))
    test(`${name}: it is bounded by name, and others are served`, async (context) => {
      const [mallory, other] = [await newUser(victim, "mallory"), await newUser(victim, "other")];
      const reasons = new Map<string, number>();
      const began = performance.now();
      const outcome = await beside(victim, async () => {
        let next = 0;
        const worker = async () => {
          while (next < CALLS) {
            const at = next++;
            const failed = await abuse(must(mallory), must(other), at).then(
              () => undefined,
              (error: unknown) => refusal(Promise.reject(error)),
            );
            const reason = failed?.reason ?? "ok";
            reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
            // Whoever is put off is told for how long.
            if (reason === "RATE_LIMITED") expect(failed?.detail.retryDelay).toBeDefined();
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, worker));
        // Else the clients' connections are kept for a while, and what is left of the attack could not be told from them.
        http.globalAgent.destroy();
      });
      const allowed = ["ok", "RATE_LIMITED", "TOO_LARGE", "MEMBER_LIMIT"];
      expect([...reasons.keys()].filter((reason) => !allowed.includes(reason))).toEqual([]);
      const most = LIMITS.changeBurst + LIMITS.changesPerSecond * ((performance.now() - began) / 1000);
      // Typing beyond one a second for each peer is passed over, not refused.
      if (!name.startsWith("types")) {
        expect(reasons.get("ok") ?? 0).toBeLessThanOrEqual(most + AT_ONCE);
        // Fewer calls than are allowed would show nothing.
        expect(reasons.get("ok") ?? 0).toBeLessThan(CALLS);
      }
      expect(outcome.slowestMs, "how long others waited").toBeLessThan(5_000);
      expect(outcome.rssGrowthMib).toBeLessThan(120);
      figure(context, `${name}: ${seen(outcome)}`);
    }, 120_000);
});
