import { ErrorReason } from "@parley/proto/parley/v1/error_detail_pb.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatherCast, newClient } from "../support/cast.js";
import { blocksOf, readDocument } from "../support/document.js";
import { startTestServer, type TestServer } from "../support/index.js";
import { must } from "../support/messaging.js";
import { figure } from "../support/proofs/figure.js";
import { runBlock } from "../support/snippets.js";
import { SCENES, type Stage, sender } from "./from-maxim-scenes.js";

const document = readDocument("docs/from-maxim.md");
const blocks = blocksOf(document);
const running = blocks.filter(({ notYet }) => !notYet);

/** What the source document calls, in its order. */
const SOURCE_CALLS = `
  clientWithConfiguration: loginWithUserId: loginWithUsername: requestLoginSmsCodeWithPhoneNumber: loginWithPhoneNumber:
  loginWithThirdPartyOAuth: pause resume logoutWithCompletion: addFriendWithUser: deleteFriend: frriendDidOnline:
  frriendDidOffline: fetchFriendsWithDetail: getFriendInfo: sendMessage:toFriend: didReceiveMessage:fromFriend:
  getLatestChatsWithFriend: fetchGroupsWithDetail: fetchWithBlock: createWithOwner: addMembers: removeMembers:
  sendMessage:toGroup: didReceiveMessage:fromGroup: getLatestMessagesBefore: deleteWithBlock: fetchRoomsWithDetail:
  createWithName: sendMessage:toRoom: didReceiveMessage:fromRoom: didReceiveSystemMessage: installationId
  didRegisterForRemoteNotificationsWithDeviceToken: handlePushNotificationOpened: .p12
  mediaType text attachmentUrl sender receiver status sendTimestamp`.match(/\S+/g);

describe("docs/from-maxim.md", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({
      times: { presenceGraceMs: 50, presenceTellMs: 0 },
      settings: { privateFetch: ["127.0.0.1"] },
      pushSender: sender,
    });
  });
  afterAll(() => server.close());

  test("has a place for each call of the source document", () => {
    expect(must(SOURCE_CALLS ?? undefined).filter((call) => !document.includes(call))).toEqual([]);
  });

  test("has a scene for each block that works in this version, and no other", (context) => {
    expect(running.map(({ name }) => name).sort()).toEqual(Object.keys(SCENES).sort());
    expect(running.filter(({ language }) => language !== "ts")).toEqual([]);
    figure(context, `${running.length} of ${blocks.length} blocks work in this version`);
  });

  test.each(running.map((block) => [block.name, block] as const))("%s", async (name, block) => {
    const { loggedOut, before, given: ownGiven, after } = must(SCENES[name]);
    const cast = await gatherCast(server);
    const client = loggedOut ? newClient(cast.app) : cast.tom;
    cast.adopt(client);
    const stage: Stage = { ...cast, client, shown: [], made: {} };
    await before?.(stage);
    const { url: baseUrl, appId, clientKey, serviceKey } = cast.app;
    const { jerry, spike, groupId, roomId } = cast;
    const place = { baseUrl, appId, clientKey, serviceKey, groupId, roomId };
    const show = (value: unknown) => void stage.shown.push(value);
    const given = { ...place, client, jerry, spike, show, ...(await ownGiven?.(stage)) };
    stage.made = await runBlock(block, { url: baseUrl, given, onClient: cast.adopt });
    await after(stage);
    await cast.close();
  });

  test("names a reason for each number of MaxIM, as the contract has it", () => {
    const rows = [...document.matchAll(/^\| (\d+) \| .+ \| ([A-Z_, ]+) \|$/gm)];
    const numbers = [1, 5001, 5002, 5003, 5004, 5005, 5006, 5007, 5008, 5009, 5010, 5011, 5012, 5018];
    expect(rows.map(([, number]) => Number(number))).toEqual(numbers);
    for (const reason of rows.flatMap(([, , reasons = ""]) => reasons.split(", ")))
      expect(ErrorReason).toHaveProperty(reason);
  });
});
