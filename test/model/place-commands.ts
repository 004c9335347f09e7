import { type GroupMemberChange, JoinPolicy } from "@parley/client";
import { memberLineAt } from "./check.js";
import {
  type Args,
  actorAt,
  anyone,
  atLeastOne,
  hasPlace,
  type Kind,
  pick,
  placeAt,
  STRANGER,
  some,
  userOf,
} from "./kinds.js";
import * as places from "./places.js";
import { type Scene, told } from "./scene.js";
import type { Place } from "./state.js";
import { GroupRole, saidGroup, saidMember, saidRoom } from "./words.js";

/** A verb of a place by a user, with its answer compared. */
function verb(
  weight: number,
  kind: Place["kind"],
  run: (scene: Scene, user: string, id: string, args: Args) => Promise<void>,
): Kind {
  return {
    weight,
    can: hasPlace(kind),
    run(scene, args) {
      const id = placeAt(scene, kind, args[1]);
      return run(scene, actorAt(scene, kind, id, args[0]), id, args);
    },
  };
}

async function createPlace(scene: Scene, kind: Place["kind"], [a, b, c, d]: Args): Promise<void> {
  const user = userOf(scene, a);
  const members = b % 19 === 18 ? [STRANGER] : some(scene, b);
  const requestId = c % 3 === 0 ? `request-${c % 2}` : "";
  const policy =
    kind === "group"
      ? pick([JoinPolicy.OPEN, JoinPolicy.OPEN, JoinPolicy.INVITE, JoinPolicy.APPROVAL], c)
      : JoinPolicy.OPEN;
  const history = kind === "group" && d % 2 === 1;
  const made = { name: `${kind} ${d % 3}`, memberUserIds: members, ...(requestId !== "" && { requestId }) };
  const as = scene.as(user);
  let id = "refused";
  const outcome =
    kind === "group"
      ? await told(as.groups.create({ ...made, joinPolicy: policy, historyForNewMembers: history }), (group) => {
          id = group.groupId;
          return saidGroup(group);
        })
      : await told(as.rooms.create(made), (room) => {
          id = room.roomId;
          return saidRoom(room);
        });
  scene.judge(`create ${kind}`, outcome, (world) =>
    places.create(world, user, { kind, id, name: made.name, members, policy, history, requestId }),
  );
}

const shareOf = (scene: Scene, args: Args): string[] => atLeastOne(scene, args[2]);

/** The verbs of groups and rooms. */
export const PLACES: Record<string, Kind> = {
  createGroup: { weight: 3, run: (scene, args) => createPlace(scene, "group", args) },
  getGroup: verb(1.5, "group", async (scene, user, id) => {
    scene.judge("getGroup", await told(scene.as(user).groups.get(id), saidGroup), (world) =>
      places.get(world, "group", id, user),
    );
  }),
  addGroupMembers: verb(5, "group", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("addGroupMembers", await told(scene.as(user).groups.addMembers(id, users), saidGroup), (world) =>
      places.addMembers(world, "group", id, user, users),
    );
  }),
  removeGroupMembers: verb(5, "group", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("removeGroupMembers", await told(scene.as(user).groups.removeMembers(id, users), saidGroup), (world) =>
      places.removeMembers(world, "group", id, user, users),
    );
  }),
  replaceGroupMembers: verb(1.5, "group", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge(
      "replaceGroupMembers",
      await told(scene.as(user).groups.replaceMembers(id, users), saidGroup),
      (world) => places.replaceMembers(world, "group", id, user, users),
    );
  }),
  joinGroup: verb(3, "group", async (scene, user, id) => {
    scene.judge("joinGroup", await told(scene.as(user).groups.join(id), saidGroup), (world) =>
      places.join(world, "group", id, user),
    );
  }),
  leaveGroup: verb(3, "group", async (scene, user, id) => {
    scene.judge(
      "leaveGroup",
      await told(scene.as(user).groups.leave(id), () => ""),
      (world) => void places.leave(world, "group", id, user),
    );
  }),
  transferGroup: verb(2, "group", async (scene, user, id, args) => {
    const heir = anyone(scene, args[2]);
    scene.judge("transferGroup", await told(scene.as(user).groups.transfer(id, heir), saidGroup), (world) =>
      places.transfer(world, id, user, heir),
    );
  }),
  updateGroupMember: verb(6, "group", async (scene, user, id, [, , c, d]) => {
    const target = anyone(scene, c);
    const until = scene.host.clock.now() + (d % 4 === 3 ? -1 : 600_000);
    const sdk: GroupMemberChange = pick(
      [
        { role: GroupRole.ADMIN },
        { role: GroupRole.MEMBER },
        { alias: `alias ${d % 2}` },
        { muteUntil: new Date(until) },
        { muteUntil: new Date(until) },
      ],
      d >> 2,
    );
    const { muteUntil, ...rest } = sdk;
    const change = { ...rest, ...(muteUntil !== undefined && { mutedUntilMs: until }) } as places.MemberChange;
    scene.judge(
      "updateGroupMember",
      await told(scene.as(user).groups.updateMember(id, target, sdk), saidMember),
      (world) => places.updateMember(world, id, user, target, change),
    );
  }),
  updateGroup: verb(2, "group", async (scene, user, id, [, , c, d]) => {
    const change = pick(
      [
        { name: `name ${d % 3}` },
        { history: d % 2 === 0 },
        { policy: pick([JoinPolicy.OPEN, JoinPolicy.INVITE, JoinPolicy.APPROVAL], d) },
      ],
      c,
    );
    const { policy, history, ...rest } = change as { name?: string; policy?: JoinPolicy; history?: boolean };
    const sdk = {
      ...rest,
      ...(policy !== undefined && { joinPolicy: policy }),
      ...(history !== undefined && { historyForNewMembers: history }),
    };
    scene.judge("updateGroup", await told(scene.as(user).groups.update(id, sdk), saidGroup), (world) =>
      places.update(world, "group", id, user, change),
    );
  }),
  deleteGroup: verb(1.5, "group", async (scene, user, id) => {
    scene.judge("deleteGroup", await told(scene.as(user).groups.delete(id), () => ""), (world) =>
      places.dissolve(world, "group", id, user),
    );
  }),
  listGroupMembers: verb(1.5, "group", async (scene, user, id) => {
    scene.judge(
      "listGroupMembers",
      await told(scene.as(user).groups.listMembers(id, { pageSize: 100 }), ({ members }) =>
        members.map(saidMember).join(),
      ),
      (world) =>
        places
          .listMembers(world, "group", id, user)
          .map((member) => memberLineAt(world, member))
          .join(),
    );
  }),

  createRoom: { weight: 2, run: (scene, args) => createPlace(scene, "room", args) },
  getRoom: verb(1.5, "room", async (scene, user, id) => {
    scene.judge("getRoom", await told(scene.as(user).rooms.get(id), saidRoom), (world) =>
      places.get(world, "room", id, user),
    );
  }),
  addRoomMembers: verb(1.5, "room", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("addRoomMembers", await told(scene.as(user).rooms.addMembers(id, users), saidRoom), (world) =>
      places.addMembers(world, "room", id, user, users),
    );
  }),
  removeRoomMembers: verb(1.5, "room", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("removeRoomMembers", await told(scene.as(user).rooms.removeMembers(id, users), saidRoom), (world) =>
      places.removeMembers(world, "room", id, user, users),
    );
  }),
  replaceRoomMembers: verb(1.5, "room", async (scene, user, id, args) => {
    const users = shareOf(scene, args);
    scene.judge("replaceRoomMembers", await told(scene.as(user).rooms.replaceMembers(id, users), saidRoom), (world) =>
      places.replaceMembers(world, "room", id, user, users),
    );
  }),
  joinRoom: verb(2, "room", async (scene, user, id) => {
    scene.judge("joinRoom", await told(scene.as(user).rooms.join(id), saidRoom), (world) =>
      places.join(world, "room", id, user),
    );
  }),
  leaveRoom: verb(1.5, "room", async (scene, user, id) => {
    scene.judge(
      "leaveRoom",
      await told(scene.as(user).rooms.leave(id), () => ""),
      (world) => void places.leave(world, "room", id, user),
    );
  }),
  updateRoom: verb(1.5, "room", async (scene, user, id, args) => {
    const name = `name ${args[3] % 3}`;
    scene.judge("updateRoom", await told(scene.as(user).rooms.update(id, { name }), saidRoom), (world) =>
      places.update(world, "room", id, user, { name }),
    );
  }),
  deleteRoom: verb(1.5, "room", async (scene, user, id) => {
    scene.judge("deleteRoom", await told(scene.as(user).rooms.delete(id), () => ""), (world) =>
      places.dissolve(world, "room", id, user),
    );
  }),
};
