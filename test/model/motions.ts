import {
  createServiceClient,
  type OutgoingMessage,
  type Peer,
  group as toGroup,
  room as toRoom,
  user as toUser,
} from "@parley/client";
import type { Device, Waiting } from "./device.js";
import { split } from "./reference.js";
import { type Backup, type Scene, told } from "./scene.js";
import type { Send } from "./state.js";
import { nameOf, observe, probe } from "./sync.js";
import { saidMessage } from "./words.js";

/** How devices and the server come and go, in the model and in truth. */

export function peerOf(receiver: string): Peer {
  const [kind, id] = split(receiver);
  return kind === "user" ? toUser(id) : kind === "group" ? toGroup(id) : toRoom(id);
}

/** Hands a send to the SDK. */
export function hand(device: Device, { receiver, words, key, replyTo }: Send, transient = false): OutgoingMessage {
  const options = { clientMessageId: key, transient, ...(replyTo !== "" && { replyTo }) };
  return device.client.messages.send(peerOf(receiver), { text: words }, options);
}

/** Takes the outcome of a stored send into the model. */
export async function settle(scene: Scene, device: Device, { send, handle }: Waiting): Promise<void> {
  if (handle === undefined) {
    // Nobody is left to be told: the model alone says whether it was stored, and the events will show it.
    for (const world of scene.worlds) {
      try {
        world.send(send);
        if (world === scene.world) device.recent.push(send);
      } catch {
        // Refused, and nobody is told.
      }
    }
    return;
  }
  const outcome = await told(handle.stored, saidMessage);
  scene.judge(`send ${send.key} of ${device.user}`, outcome, (world) => world.send(send));
  if (!outcome.startsWith("ok")) return;
  device.recent.push(send);
  learn(scene, send, (await handle.stored).messageId);
}

/** Keeps the id of a message: whoever is told of it later is told the same one. */
export function learn(scene: Scene, { sender, key }: Pick<Send, "sender" | "key">, id: string): void {
  scene.all((world) => {
    const message = world.messages.find((m) => m.sender === sender && m.key === key);
    if (message === undefined) return;
    if (message.id !== "" && message.id !== id) throw new Error(`${key} was ${message.id} and now is ${id}`);
    message.id = id;
  });
}

/** Notes where a stream ended: not before what was handed over, and not after anything that was not. */
export function endStream(scene: Scene, device: Device): void {
  const pos = device.cursor === "" ? 0 : device.posOf(device.cursor);
  if (pos < device.comparedPos)
    throw new Error(`${nameOf(scene, device)} keeps ${pos}, and was handed ${device.comparedPos}`);
  scene.keep(`the cursor of ${nameOf(scene, device)}`, (world) => {
    if (pos > world.head) return `it is at ${pos}, the log ends at ${world.head}`;
    const skipped = world.visible(device.user, device.session, device.comparedPos).find((event) => event.pos <= pos);
    return skipped && `it is at ${pos} and was not handed ${skipped.pos} ${skipped.line}`;
  });
  device.place = { pos, life: scene.world.lifeAt(pos) };
}

/** Brings a device that may go online to its stream, and sees what follows: a resync or none, and its waiting sends. */
export async function goOnline(scene: Scene, device: Device, open: () => Promise<unknown>): Promise<void> {
  device.network.accept();
  if (scene.world.sessions[device.session] !== device.user) {
    await open().catch(() => undefined);
    await device.until("the refusal of its session", () => device.client.state.name === "closed");
    device.loggedIn = false;
    return;
  }
  await openStream(scene, device, open);
}

/** Logs a device in. One that has logged out starts from now, one whose session was ended goes on from where it was. */
export async function logIn(scene: Scene, device: Device): Promise<void> {
  device.network.accept();
  // The wish to pause outlives a logout.
  if (device.held) await device.client.resume().catch(() => undefined);
  device.held = false;
  device.online.clear();
  await probe(scene);
  if (device.cursor === "") device.place = { pos: scene.world.head, life: scene.world.lifeAt(scene.world.head) };
  await openStream(scene, device, async () => {
    await device.client.login({ bareId: device.user });
    device.session = await device.savedSession();
    scene.all((world) => world.login(device.user, device.session));
    device.loggedIn = true;
  });
}

async function openStream(scene: Scene, device: Device, open: () => Promise<unknown>): Promise<void> {
  await probe(scene);
  device.heard = [];
  device.heardFrom = scene.world.spoken.length;
  const resyncs = device.resyncs.length;
  const before = scene.world.head;
  await open();
  await device.until("its stream", () => device.client.state.name === "live");
  const why = device.resyncs[resyncs];
  scene.judge(
    `the resumption of ${nameOf(scene, device)}`,
    `ok ${why ?? "resumed"}`,
    (w) => w.resyncAt(device.place) ?? "resumed",
  );
  device.comparedPos = why === undefined ? device.place.pos : before;
  const repeated = why === "HISTORY_CHANGED" ? device.recent.splice(0) : [];
  const queue = repeated
    .filter((send) => !device.waiting.some((other) => other.send.key === send.key))
    .map((send): Waiting => ({ send, handle: undefined }));
  queue.push(...device.waiting.splice(0));
  await emptied(device);
  for (const waiting of queue) await settle(scene, device, waiting);
}

/** Waits until the SDK has no send under way. */
async function emptied(device: Device): Promise<void> {
  await Promise.allSettled(device.client.messages.pending().map((handle) => handle.stored));
  while (device.client.messages.pending().length > 0)
    await Promise.allSettled(device.client.messages.pending().map((handle) => handle.stored));
}

/** Breaks the network of a device, and lets the server come to know it. */
export async function cut(scene: Scene, device: Device): Promise<void> {
  device.network.refuse();
  device.network.cutAll();
  device.net = false;
  await device.until("the loss of its stream", () => !["live", "replaying"].includes(device.client.state.name));
  await barrier(scene);
}

/** What the server was sent before now is answered before this returns: two writes of each node's one writer and their way there and back. */
export async function barrier(scene: Scene): Promise<void> {
  await Promise.all(
    scene.host.nodes.map(async (baseUrl) => {
      const service = createServiceClient({ baseUrl, serviceKey: scene.serviceKey });
      for (let i = 0; i < 2; i++) await service.admin.upsertUsers([{ userId: "barrier" }]);
      service.close();
    }),
  );
}

/** Lets every node follow the app, so that it knows what is said and not stored. */
export async function followEverywhere({ host, serviceKey, users }: Scene): Promise<void> {
  if (host.nodes.length === 1) return;
  for (const baseUrl of host.nodes) {
    const service = createServiceClient({ baseUrl, serviceKey });
    await service.as(users[0] ?? "").rpc.message.listEvents({});
    service.close();
  }
}

/** Sends that may or may not have been stored before all went dark: as many worlds as there are answers to how many of them were. */
function fork(scene: Scene, sends: readonly Send[]): void {
  scene.worlds = scene.worlds.flatMap((world) => {
    const worlds = [world];
    for (const send of sends) {
      const next = (worlds.at(-1) ?? world).clone();
      try {
        next.send(send);
      } catch {
        // Refused: nothing is stored.
      }
      worlds.push(next);
    }
    return worlds;
  });
}

/** Takes stock of sends that were under way when the network broke: those that were answered, and those that may be stored. */
export async function takeStock(scene: Scene, device: Device, sends: readonly Waiting[]): Promise<void> {
  const answered = sends.filter(({ handle }) => handle?.status !== "sending");
  for (const waiting of answered) await settle(scene, device, waiting);
  const open = sends.filter((waiting) => !answered.includes(waiting));
  device.waiting.push(...open);
  fork(
    scene,
    open.map(({ send }) => send),
  );
}

/** Ends the server in this very tick, and starts it on what it had stored, or on a backup; then all come back one after the other. */
export async function crash(
  scene: Scene,
  { inFlight, backup }: { inFlight?: { device: Device; sends: Waiting[] }; backup?: Backup | undefined },
): Promise<void> {
  const wereLive = scene.devices.filter((device) => device.live);
  await scene.host.crash(backup?.copy);
  for (const device of wereLive)
    await device.until("the loss of its stream", () => !["live", "replaying"].includes(device.client.state.name));
  if (inFlight !== undefined) await takeStock(scene, inFlight.device, inFlight.sends);
  observe(scene, wereLive);
  for (const device of wereLive) endStream(scene, device);
  scene.service.close();
  scene.service = createServiceClient({ baseUrl: scene.host.backend.url, serviceKey: scene.serviceKey });
  await followEverywhere(scene);
  const { life } = scene.host;
  const nowMs = scene.host.clock.now();
  if (backup !== undefined) scene.worlds = [backup.world.clone()];
  scene.all((world) => {
    world.startAgain(life);
    world.nowMs = nowMs;
  });
  for (const device of scene.devices) if (device.net && !wereLive.includes(device)) device.network.accept();
  for (const device of wereLive) await goOnline(scene, device, () => device.client.resume());
}
